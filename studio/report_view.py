"""The report on a folder as a part of the page. Names stay text: dominate escapes them."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from dominate import tags

from data.findings import Finding
from data.findings import in_words as counted
from data.report import Report
from raster.value_range import ValueRange

NAMED = 3  # groups of files of a finding
SEVERITIES = {"error": "Must be mended", "warning": "Should be mended", "note": "Good to know"}
HEADS = ("part", "side", "pictures", "sizes", "colours", "files", "values")


def report_html(report: Report) -> str:
    """A table of what is in the folder, then what there is to say about it, the gravest first."""
    with tags.div(cls="report") as result:
        tags.p(f"{Path(report.dataroot).name}: {report.layout}", cls="lead")
        with tags.div(cls="wide"), tags.table():
            tags.tr(*map(tags.th, HEADS))
            for name, split in report.splits.items():
                values = _values(split.dataset.ranges.values())
                for side, facts in split.sides.items():
                    tags.tr(*map(tags.td, (name, side, str(facts.images), counted(facts.sizes), counted(facts.modes),
                                           counted(facts.formats), values)))
        if not report.findings:
            tags.p("Nothing is wrong with these pictures as far as can be seen.")
        for finding in report.findings:
            _finding(finding, report.dataroot)
    return str(result.render(pretty=False))


def _finding(finding: Finding, root: str) -> None:
    with tags.div(cls=f"finding {finding.severity}"):
        tags.strong(SEVERITIES[finding.severity])
        tags.p(finding.text)
        if finding.files:
            names = ["  ".join(os.path.relpath(path, root) for path in group[:4]) for group in finding.files[:NAMED]]
            more = len(finding.files) - NAMED
            tags.p("; ".join(names) + (f"; and {more} more" if more > 0 else ""), cls="files")
        if finding.advice:
            tags.p(f"What to do: {finding.advice}")


def _values(ranges: Iterable[ValueRange]) -> str:
    known = list(dict.fromkeys(f"{one.low:g} to {one.high:g} ({one.dtype})" for one in ranges))
    return ", ".join(known) or "0 to 255 (uint8)"


def next_step(report: Report) -> str:
    """What a person does now, in a sentence."""
    if report.worst == "error":
        return "Next: mend what must be mended, see above, and look again; a training would not start like this."
    if report.dataset_mode == "single":
        return ("Next: this is one pile, which a trained run translates in the room Translate. To train, there must be "
                "pairs (folder train), or two piles (folders trainA and trainB).")
    how = ("pix2pix, which learns from pairs" if report.dataset_mode == "aligned" else
           "CycleGAN, which needs no pairs")
    careful = ", after a look at what should be mended" if report.worst == "warning" else ""
    flags = any("--" in finding.advice for finding in report.findings)
    typed = " What begins with -- is for the field of other flags there." if flags else ""
    return f"Next: go to the room Train and start {how}{careful}.{typed}"
