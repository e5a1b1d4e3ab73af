"""The numbers of a comparison: of all methods over the same inputs."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from evaluation.choice import Choice
from evaluation.comparing import Method
from evaluation.measuring import Measured, measure
from evaluation.results import read_picture
from evaluation.samples import Sample, Source
from evaluation.tables import interval, number
from pages.compare_page import Number


@dataclass(frozen=True)
class _Inputs:
    """Some inputs of one method as samples. truth: whose truth stands in for the method's own real pictures, if any."""

    method: Method
    names: Sequence[str]
    truth: Method | None

    def __iter__(self) -> Iterator[Sample]:
        for name in self.names:
            yield name, {self.method.direction.labels[role]: self._read(name, role)
                         for role in self.method.direction.labels}

    def _read(self, name: str, role: str) -> np.ndarray:
        owner = self.truth if role == "real" and self.truth else self.method
        return read_picture(owner.picture(name, role))


def measure_all(methods: Sequence[Method], names: Sequence[str], choice: Choice) -> list[Measured | None]:
    """The numbers of each method over these inputs; None where none of the metrics that are left out fits.

    A method whose own results know no truth is measured by that of the others. UserError as in `measure`.
    """
    known = next((method for method in methods if method.paired), None)
    measured: list[Measured | None] = []
    for method in methods:
        truth = known if known and not method.paired else None
        if truth:
            labels = {**method.direction.labels, "real": "truth"}
            method = replace(method, direction=replace(method.direction, labels=labels, paired=True))
        if not choice.names and not choice.fit(method.direction, list).metrics:
            measured.append(None)
            continue
        source = Source(method.title, str(method.folder), [method.direction], _Inputs(method, names, truth))
        measured += measure(source, choice)
    return measured


def above_columns(measured: Sequence[Measured | None]) -> list[dict[str, Number]]:
    """What stands on top of each method's column: the same metrics for all, by name; '-' where a method has none."""
    metrics = {name: metric for one in measured if one for name, metric in one.metrics.items()}
    values = [one.report.values if one else {} for one in measured]
    best = {name: _best([own[name].value for own in values if name in own], metric.better)
            for name, metric in metrics.items()}
    return [{name: Number(number(own[name].value), interval(own[name]), number(own[name].value) == best[name])
             if name in own else Number("-") for name in metrics} for own in values]


def _best(values: Sequence[float], better: str) -> str:
    """The best of two or more as it is shown, since what looks the same is equally good; '' where there is none."""
    known = [value for value in values if not isnan(value)]
    return number((max if better == "higher" else min)(known)) if len(known) > 1 else ""
