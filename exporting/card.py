"""The page beside an export that says what it is: Markdown with front matter, as the Hugging Face Hub reads it."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from exporting import samples
from exporting.contract import Export, Kind
from exporting.facts import Facts
from exporting.metadata import modes
from exporting.parity import Parity
from exporting.pictures import counted
from exporting.usage import usage

UNKNOWN = "unknown"
LIBRARY_LINE = 'library_name: "bothways"'  # by which a folder is known as an export
NO_LICENSE = ("Whoever exported it named no licence (`--license`), so nothing is granted here: ask before you use it "
              "for more than looking at it. The pictures that it learned from may have terms of their own.")


def card(export: Export, kind: Kind, parity: Parity | None, place: Path) -> str:
    """The card. parity: None where nothing was compared; place: where the export will lie."""
    facts = export.facts
    pictures = samples.names(export) if kind.NAME == "hub" else []
    sections = {
        f"{facts.name}, {_arrow(facts)}": _summary(facts),
        "Samples": _samples(pictures),
        "How to use it": usage(export, kind, place),
        "What it is": _table(_architecture(export)),
        "Training": _training(facts),
        "Metrics": _metrics(facts),
        "The export": _table(_export(export, kind, parity)),
        "Limits": _limits(facts),
        "Licence": export.opt.license or NO_LICENSE,
    }
    (title, summary), *rest = ((title, text) for title, text in sections.items() if text)
    parts = [f"# {_escaped(title)}\n\n{summary}", *(f"## {title}\n\n{text}" for title, text in rest)]
    return _front_matter(facts, export.opt.license) + "\n\n".join(parts) + "\n"


def _front_matter(facts: Facts, license: str) -> str:
    """YAML between lines of dashes; JSON is YAML."""
    known = [facts.model.replace("_", "-")] if facts.model != "test" else []
    tags = ["bothways", "image-to-image", *known, facts.netG.rpartition("_")[0].replace("_", "-")]
    fields: dict[str, Any] = {"license": license or UNKNOWN, "library_name": "bothways",
                              "pipeline_tag": "image-to-image", "tags": tags}
    if facts.results:
        fields["metrics"] = [number.name for number in facts.results]
        fields["model-index"] = [{"name": facts.name, "results": [_result(facts)]}]
    return "\n".join(["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()),
                      "---", "", ""])


def _result(facts: Facts) -> dict[str, Any]:
    dataset = facts.dataset or "unknown"
    return {"task": {"type": "image-to-image", "name": "image-to-image translation"},
            "dataset": {"name": dataset, "type": dataset},
            "metrics": [{"type": number.name, "name": number.about or number.name, "value": number.value}
                        for number in facts.results]}


def _arrow(facts: Facts) -> str:
    return "A to B" if facts.direction == "AtoB" else "B to A"


def _summary(facts: Facts) -> str:
    dataset = f"the dataset {_escaped(facts.dataset)}" if facts.dataset else "a dataset that its run does not name"
    model = f"the model {facts.model}" if facts.model != "test" else "a model that its run does not name"
    return (f"A generator that translates images, {_arrow(facts)}, trained on {dataset} with {model} of the toolkit "
            "Bothways, for pix2pix and CycleGAN in PyTorch.")


def _samples(pictures: Sequence[str]) -> str:
    shown = [f"![Input and translation]({name})" for name in pictures]
    return "\n".join(["Left the input, right its translation.", "", *shown]) if shown else ""


def _architecture(export: Export) -> dict[str, str]:
    facts = export.facts
    return {
        "Generator": f"{facts.netG}, ngf {facts.ngf}, {facts.norm} norm, {facts.parameters:,} parameters",
        "In": f"{facts.input_nc} channels; {_values(facts.input_range)}",
        "Out": f"{facts.output_nc} channels; {_values(facts.output_range)}",
        "Pictures in a test": "at their own size" if facts.preprocess == "none" else
                              f"preprocess {facts.preprocess}, load_size {facts.load_size}, crop_size "
                              f"{facts.crop_size}",
        "Saved as": f"{facts.network}, {facts.save}" + (", running means of the weights" if facts.weights == "ema"
                                                        else ""),
        **{name.replace("_", " ").capitalize(): said for name, said in modes(export.net).items()},
    }


def _values(text: str) -> str:
    dtype, _, ends = text.rpartition(":")
    if "," not in ends:
        return "which values are -1 and 1 is looked up in each picture (percentile)"
    low, high = ends.split(",")
    return f"the values {low} and {high}{' of ' + dtype if dtype else ''} are -1 and 1"


def _training(facts: Facts) -> str:
    rows = {}
    if facts.epoch:
        length = f" of {facts.images:,} images" if facts.images else ""
        rows["Logged until"] = f"epoch {facts.epoch}{length}, {facts.seen:,} images seen"
    if facts.given:
        rows["Options given"] = " ".join(f"`--{name} {value}`" for name, value in sorted(facts.given.items()))
    if facts.losses:
        rows["Last losses"] = _row(facts.losses, 3)
    return _table(rows) if rows else "Its run has no log."


def _metrics(facts: Facts) -> str:
    lines = []
    if facts.validation:
        lines.append(f"In the training's last validation: {_row(facts.validation, 4)}.")
    if facts.results:
        lines += ["", f"Measured with evaluate.py on {facts.results[0].on}:", "", "| metric | value | what it is |",
                  "|---|---|---|"]
        lines += [f"| {number.name} | {number.value:.4g} {number.unit} | {number.about} |" for number in facts.results]
    return "\n".join(lines).strip() or "Nothing was measured: `evaluate.py` measures a run and its results."


def _export(export: Export, kind: Kind, parity: Parity | None) -> dict[str, str]:
    rows = {"Kind": f"--to {kind.NAME}"}
    if export.facts.version:
        rows["Bothways"] = export.facts.version
    if parity:
        rows["Size"] = f"{parity.size / 1e6:.1f} MB"
        rows["Compared with PyTorch"] = (
            f"on {counted(parity.pictures)}: largest difference {parity.largest:.2g}, mean {parity.mean:.2g}, of "
            f"values in [-1, 1]; accepted up to {parity.tolerance:.2g}")
    return rows


def _limits(facts: Facts) -> str:
    dropout = (" Dropout is noise here: the same picture gives other details with another seed." if facts.dropout
               and not facts.eval else "")
    return (f"It knows what its training showed it{' (' + _escaped(facts.dataset) + ')' if facts.dataset else ''}, and "
            "answers any other picture all the same, without a word about how sure it is. What it adds to a picture is "
            "plausible, not measured: do not read findings, identities or measurements off a translation." + dropout)


def _row(numbers: Mapping[str, float], digits: int) -> str:
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in numbers.items())


def _table(rows: Mapping[str, str]) -> str:
    lines = [f"| {_escaped(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _escaped(text: str) -> str:
    """A name as Markdown shows it, letter by letter."""
    return "".join(_letters(text))


def _letters(text: str) -> Iterator[str]:
    for letter in text:
        yield f"\\{letter}" if letter in "\\`*_[]<>|#" else letter
