"""The numbers in files: metrics.json, metrics.csv with a row for each image, and on the page of results."""
import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluation.measuring import Measured
from evaluation.tables import with_interval
from pages.results_folder import Column, add_numbers
from util.files import write_atomically


def write_into(folder: Path, measured: Sequence[Measured]) -> Path:
    """metrics.json, metrics.csv and the numbers on the page of a results folder; returns the page.

    Raises OSError, UserError.
    """
    write_json(folder / "metrics.json", measured)
    write_csv(folder / "metrics.csv", measured)
    columns = {_told(name, one, measured): Column(one.metrics[name].better, with_interval(value))
               for one in measured for name, value in one.report.values.items()}
    return add_numbers(folder, columns, {name: row for (_, name), row in _rows(measured).items()})


def write_json(path: Path, measured: Sequence[Measured]) -> None:
    """An entry for each direction. What is no finite number is null. Raises OSError."""
    write_atomically(path, json.dumps([_entry(one) for one in measured], indent=1, allow_nan=False) + "\n")


def write_csv(path: Path, measured: Sequence[Measured]) -> None:
    """A row for each image: the result, its name, and a column for each metric. Raises OSError."""
    rows = _rows(measured)
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["result", "name", *columns])
    writer.writerows([*key, *(f"{row[column]:.7g}" if column in row else "" for column in columns)]
                      for key, row in rows.items())
    write_atomically(path, text.getvalue().encode("utf-8", "backslashreplace"))  # names need not be valid Unicode


def _entry(one: Measured) -> dict[str, Any]:
    values = {name: {**asdict(value), "better": one.metrics[name].better, "unit": one.metrics[name].unit,
                     "about": one.metrics[name].about, "source": one.metrics[name].source}
              for name, value in one.report.values.items()}
    answers = asdict(one.answers) if one.answers else {}
    return _finite({"result": one.result, "direction": one.direction.arrow, "fake": one.direction.name,
                    "images": one.samples, **answers, "reference": one.reference, "metrics": values,
                    "notes": list(one.notices)})


def _finite(value: Any) -> Any:
    """`value` with None in place of numbers that JSON does not know."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rows(measured: Sequence[Measured]) -> dict[tuple[str, str], dict[str, float]]:
    """By result and name of the sample: its numbers in all directions."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for one in measured:
        for name, numbers in one.report.rows.items():
            row = rows.setdefault((one.result, name), {})
            row |= {_told(metric, one, measured): value for metric, value in numbers.items()}
    return rows


def _told(metric: str, one: Measured, measured: Sequence[Measured]) -> str:
    """The name of a metric: psnr, or psnr_fake_B where its result has several directions."""
    several = len({other.direction.name for other in measured if other.result == one.result}) > 1
    return f"{metric}_{one.direction.name}" if several else metric
