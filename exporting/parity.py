"""Whether an export answers as PyTorch does, on real pictures."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from exporting.contract import Export, Function, Given, Kind
from exporting.crossing import Crossing
from exporting.pictures import counted, is_flat
from exporting.translation import noise_off
from util.errors import UserError

SMALLEST = 3  # pixels of a side that is cut: a picture of one pixel is flat


@dataclass(frozen=True)
class Parity:
    """Differences from PyTorch of values in [-1, 1]: the largest, and the mean over all pixels of all pictures.

    pictures: how many were compared; size: of the export in bytes; ms: of a picture at its own size, PyTorch and the
    export.
    """

    kind: str
    precision: str
    pictures: int
    largest: float
    mean: float
    tolerance: float
    size: int
    ms: tuple[float, float]

    def table(self) -> str:
        """Two lines: names and values."""
        cells = {"kind": self.kind, "precision": self.precision, "largest": f"{self.largest:.2g}",
                 "mean": f"{self.mean:.2g}", "tolerance": f"{self.tolerance:.2g}", "size": f"{self.size / 1e6:.2f} MB",
                 "PyTorch": f"{self.ms[0]:.0f} ms", "export": f"{self.ms[1]:.0f} ms"}
        widths = [max(len(name), len(cell)) for name, cell in cells.items()]
        rows = ["  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True))
                for row in (cells.keys(), cells.values())]
        return "\n".join([f"against PyTorch on {counted(self.pictures)}, values in [-1, 1]:", *rows])


def compare(export: Export, kind: Kind, target: Path) -> Parity:
    """The differences between what was written and PyTorch. UserError when the largest is above the tolerance."""
    found = _differences(_inputs(export.pictures), _truth(export, kind.SEEDED), kind.open(target, export))
    size = sum(path.stat().st_size for path in ([target] if target.is_file() else target.rglob("*")) if path.is_file())
    tolerance = export.opt.tolerance or kind.tolerance(export.opt) + Crossing.of(export).rounding
    parity = Parity(kind.NAME, export.opt.precision, len(export.pictures), *found[:2], tolerance, size, found[2])
    if not parity.largest <= tolerance:  # NaN is no answer either
        raise UserError(f"{parity.table()}\nthe export differs from PyTorch by {parity.largest:.3g} at most, above the "
                        f"tolerance of {tolerance:.3g}, and was not kept; give another --precision, or --tolerance "
                        "if that is good enough")
    return parity


def _inputs(pictures: Sequence[Given]) -> list[Tensor]:
    """The pictures; and the first two cut to sizes that are odd."""
    whole = [given.units for given in pictures]
    cut = [units[:, :, :_less(units.shape[2], 1 + 2 * place), :_less(units.shape[3], 5 - 2 * place)]
           for place, units in enumerate(whole[:2])]
    return whole + [units for units in cut if not is_flat(units)]


def _less(side: int, by: int) -> int:
    return max(side - by, min(side, SMALLEST))


def _truth(export: Export, noise: bool) -> Callable[[Tensor], Tensor]:
    """What the translator makes of a picture. noise: with its noise."""
    def translate(units: Tensor) -> Tensor:
        if noise:
            return export.translator(units)
        with noise_off(export.net):
            return export.translator(units)
    return translate


def _differences(inputs: Sequence[Tensor], truth: Function, function: Function
                 ) -> tuple[float, float, tuple[float, float]]:
    """The largest and the mean difference, and milliseconds a picture of both."""
    largest, total, count = 0.0, 0.0, 0
    ms = [0.0, 0.0]
    for warm in (truth, function):  # the first call prepares
        warm(inputs[0])
    for place, units in enumerate(inputs):
        wanted, slow = _timed(truth, units)
        made, fast = _timed(function, units)
        if made.shape != wanted.shape:
            return float("nan"), float("nan"), (0.0, 0.0)
        difference = (made.double() - wanted.double()).abs()
        largest = max(largest, difference.max().item()) if difference.isfinite().all() else float("nan")
        total, count = total + difference.sum().item(), count + difference.numel()
        if place == 0:
            ms = [slow, fast]
    return largest, total / count, (ms[0], ms[1])


def _timed(function: Function, units: Tensor) -> tuple[Tensor, float]:
    begin = time.perf_counter()
    with torch.no_grad():
        made = function(units)
    return made, 1000 * (time.perf_counter() - begin)
