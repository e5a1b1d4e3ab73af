"""The numbers of a comparison: of all methods over the same inputs."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from evaluation.choice import Choice
from evaluation.comparing import Method, read_picture
from evaluation.measuring import Measured, measure
from evaluation.samples import Sample, Source
from evaluation.tables import interval, number
from metrics.measuring import Report
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


def best_of(measured: Sequence[Measured | None]) -> dict[str, str]:
    """The best value of each metric, as it is shown: what looks the same is equally good."""
    best: dict[str, str] = {}
    for name, metric in {name: metric for one in measured if one for name, metric in one.metrics.items()}.items():
        reports = [one.report for one in measured if one]
        values = [report.values[name].value for report in reports if name in report.values]
        if known := [value for value in values if not isnan(value)]:
            best[name] = number((max if metric.better == "higher" else min)(known))
    return best


def numbers(report: Report, best: dict[str, str]) -> dict[str, Number]:
    """What stands on top of a method's column, by metric."""
    return {name: Number(number(value.value), interval(value), number(value.value) == best.get(name))
            for name, value in report.values.items()}
