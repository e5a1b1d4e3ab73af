"""The page beside an export that says what it is."""
from exporting.contract import Export, Kind
from exporting.parity import Parity


def card(export: Export, kind: Kind, parity: Parity | None) -> str:
    """The card as Markdown with YAML front matter, as the Hub reads it. parity: None where nothing was compared."""
    return f"---\ntags:\n- bothways\n---\n# {export.facts.name}\n\nExported as {kind.NAME}.\n"
