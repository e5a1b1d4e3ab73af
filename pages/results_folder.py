"""Which pictures belong to the results of a test: names.json, which evaluate.py reads too."""
import json
from collections.abc import Sequence
from pathlib import Path

from util.files import write_atomically


def write_names(folder: Path, labels: Sequence[str], names: Sequence[str]) -> None:
    """Write names.json: the pictures are images/<name>_<label>.png. Those that only an earlier test named are removed.
    """
    earlier = _named(folder)
    write_atomically(folder / "names.json", json.dumps({"labels": list(labels), "names": list(names)}, indent=0) + "\n")
    for path in earlier - _named(folder):
        path.unlink(missing_ok=True)


def _named(folder: Path) -> set[Path]:
    """The pictures that names.json names, as far as they lie in the folder; none when it is not there or damaged."""
    images = (folder / "images").resolve()
    try:
        shown = json.loads((folder / "names.json").read_bytes())
        paths = {(images / f"{name}_{label}.png").resolve() for name in shown["names"] for label in shown["labels"]}
    except (OSError, ValueError, TypeError, KeyError):
        return set()
    return {path for path in paths if path.is_relative_to(images)}
