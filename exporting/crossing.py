"""From pictures in [-1, 1] to what an export takes (--io), and back."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from exporting.contract import Export, Function
from exporting.ranges import ranges_of, require_known
from raster.value_range import BYTES, ValueRange


@dataclass(frozen=True)
class Crossing:
    """io: as in --io; given, made: the ranges of what goes in and comes out."""

    io: str
    given: ValueRange
    made: ValueRange

    @classmethod
    def of(cls, export: Export) -> Crossing:
        """That of an export."""
        if export.opt.io == "unit":
            return cls("unit", BYTES, BYTES)
        return cls(export.opt.io, *require_known(ranges_of(export.translator.opt), export.opt.io))

    @property
    def rounding(self) -> float:
        """How far a value in [-1, 1] moves at most where what comes out is rounded to bytes."""
        return 1 / (self.made.high - self.made.low) if self.io == "uint8" else 0.0

    def around(self, run: Function) -> Function:
        """A function of [-1, 1], of one that takes and gives what --io says."""
        return lambda unit: self.back(run(self.enter(unit)))

    def enter(self, unit: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] as what goes in."""
        if self.io == "unit":
            return unit
        values = (unit + 1) * ((self.given.high - self.given.low) / 2) + self.given.low
        return values if self.io == "values" else values.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def back(self, made: Tensor) -> Tensor:
        """What came out as (N, C', H, W) in [-1, 1]."""
        if self.io == "unit":
            return made
        values = made if self.io == "values" else made.permute(0, 3, 1, 2).float()
        return (values - self.made.low) * (2 / (self.made.high - self.made.low)) - 1
