"""What the dataset doctor found of a folder: its splits, their sides, and what there is to say of them."""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data.base_dataset import BaseDataset
from data.findings import Finding


@dataclass(frozen=True)
class Side:
    """The images of a side of a split. sizes: 'WIDTHxHEIGHT' -> count; modes, formats: of the files."""

    images: int
    sizes: Counter[str]
    modes: Counter[str]
    formats: Counter[str]


@dataclass(frozen=True)
class Split:
    """train, val or test. sides: by name, A and B or only A; dataset: to show samples as the trainer sees them."""

    samples: int
    sides: Mapping[str, Side]
    dataset: BaseDataset = field(repr=False)


@dataclass(frozen=True)
class Report:
    """What `diagnose` found. findings: the gravest first; worst: their severity, '' when there are none."""

    dataroot: str
    dataset_mode: str
    layout: str  # in words
    splits: Mapping[str, Split]
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> str:
        return self.findings[0].severity if self.findings else ""

    def as_dict(self) -> dict[str, Any]:
        """The report for programs: what json.dumps takes."""
        return {
            "dataroot": self.dataroot, "dataset_mode": self.dataset_mode, "layout": self.layout,
            "worst": self.worst,
            "splits": {name: {"samples": split.samples, "sides": {
                side: {"images": facts.images, "sizes": dict(facts.sizes), "modes": dict(facts.modes),
                       "formats": dict(facts.formats)} for side, facts in split.sides.items()}}
                for name, split in self.splits.items()},
            "findings": [{"severity": finding.severity, "kind": finding.kind, "text": finding.text,
                          "advice": finding.advice, "files": [[str(path) for path in group]
                                                              for group in finding.files]}
                         for finding in self.findings]}
