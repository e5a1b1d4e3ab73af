"""The numbers of a comparison: of all methods over the same inputs."""
from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from typing import Any

import torch
from torch import Tensor

from evaluation.comparing import Method, read_picture
from metrics.base_metric import Metric
from metrics.measuring import Measuring, Report, Value
from pages.compare_page import Number
from util.errors import UserError


def measure(methods: Sequence[Method], names: Sequence[str], metrics: Mapping[str, Metric]) -> list[Report]:
    """The metrics of each method over these inputs. UserError when a metric needs a truth that nobody has."""
    truth = next((method for method in methods if method.paired), None)
    paired = [name for name, metric in metrics.items() if metric.paired and "real" in metric.needs]
    if paired and truth is None:
        raise UserError(f"--metrics {','.join(paired)}: the truth is not known; run test.py on pairs, with "
                        "--dataset_mode aligned, or leave these out")
    reports = []
    for method in methods:
        measuring = Measuring(metrics)
        for name in names:
            files = {role: method.picture(name, role) for role in method.labels}
            if truth is not None:
                files["real"] = (method if method.paired else truth).picture(name, "real")
            measuring.add([name], {role: _tensor(read_picture(file)) for role, file in files.items()})
        reports.append(measuring.report())
    return reports


def numbers(reports: Sequence[Report], metrics: Mapping[str, Metric]) -> list[dict[str, Number]]:
    """What stands on top of each method's column, by metric."""
    best = {name: _best([report.values[name].value for report in reports], metric.better)
            for name, metric in metrics.items()}
    return [{name: Number(brief(value.value), _interval(value), best[name] == brief(value.value))
             for name, value in report.values.items()} for report in reports]


def table(methods: Sequence[Method], reports: Sequence[Report], metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """All numbers for programs: of each method its metrics, and of each input; "inf" and "nan" are texts."""
    of_methods = {}
    for method, report in zip(methods, reports, strict=True):
        values = {name: {"value": _plain(value.value), "low": _plain(value.low), "high": _plain(value.high),
                         "n": value.n, "references": value.references, "better": metrics[name].better}
                  for name, value in report.values.items()}
        of_methods[method.title] = {
            "folder": str(method.folder), "direction": method.direction, "metrics": values, "notes": list(report.notes),
            "rows": {row: {name: _plain(value) for name, value in own.items()} for row, own in report.rows.items()}}
    return {"methods": of_methods}


def brief(value: float) -> str:
    """A number in four digits."""
    return f"{value:.4g}".replace("inf", "∞")


def _best(values: Sequence[float], better: str) -> str:
    """As it is shown; '' where there is none."""
    known = [value for value in values if not isnan(value)]
    return brief((max if better == "higher" else min)(known)) if known else ""


def _interval(value: Value) -> str:
    return "" if value.low is None or value.high is None else f"{brief(value.low)} to {brief(value.high)}"


def _plain(value: float | None) -> float | str | None:
    return value if value is None or isfinite(value) else str(value)


def _tensor(picture: Any) -> Tensor:
    """uint8 (H, W, 3) to (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
