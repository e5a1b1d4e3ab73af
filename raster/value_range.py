"""Which values of a picture are black and white to a network: the only place where file values become [-1, 1] and back.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from util.errors import UserError


@dataclass(frozen=True)
class ValueRange:
    """The values low..high of a file are -1..1 to a network. dtype: of the files, such as 'uint16'; '' if not known."""

    low: float
    high: float
    dtype: str = ""

    def to_unit(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape and type to float32 in [-1, 1]: those outside of the range become its ends, NaN stays."""
        if values.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return values.astype(np.float32) * np.float32(2 / 255) - np.float32(1)
        scaled = (values.astype(np.float64) - self.low) * (2 / (self.high - self.low)) - 1
        return scaled.clip(-1, 1).astype(np.float32)

    def from_unit(self, unit: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Float values in [-1, 1] back to those of a file of type `dtype`: whole numbers are rounded, NaN stays."""
        if dtype == np.uint8 and (self.low, self.high) == (0, 255):  # to the bit what pages show
            return np.rint((unit.astype(np.float32).clip(-1, 1) + np.float32(1)) * np.float32(127.5)).astype(np.uint8)
        values = (unit.astype(np.float64).clip(-1, 1) + 1) * ((self.high - self.low) / 2) + self.low
        if not np.issubdtype(dtype, np.integer):
            return values.astype(dtype)
        kind = np.iinfo(dtype)
        largest = kind.max if dtype.itemsize < 8 else np.nextafter(float(kind.max), 0)  # as a float it is one too many
        return np.rint(values).clip(kind.min, largest).astype(dtype)

    def __str__(self) -> str:
        """As --input_range takes it: 'uint16:0,4095'."""
        return f"{self.dtype}:" * bool(self.dtype) + f"{self.low:.17g},{self.high:.17g}"

    @classmethod
    def parse(cls, text: str, flag: str) -> ValueRange:
        """'0,4095' or 'uint16:0,4095'. UserError, with the flag, for anything else."""
        dtype, _, ends = text.rpartition(":")
        try:
            low, high = map(float, ends.split(","))
            if not (np.isfinite([low, high]).all() and low < high):
                raise ValueError
            kind = np.dtype(dtype) if dtype else None
            if kind is not None and (kind.kind not in "uif" or kind.itemsize > 8):
                raise ValueError
            return cls(low, high, kind.name if kind is not None else "")
        except (ValueError, TypeError):
            raise UserError(f"--{flag} {text} is no range; expected LOW,HIGH, such as --{flag} 0,4095 or --{flag} "
                            "float32:-1000,3000") from None


BYTES = ValueRange(0, 255, "uint8")
CAMERAS = (8, 10, 12, 14, 16)  # bits that cameras and scanners have


def suggested(dtype: np.dtype, least: float | None, largest: float | None) -> ValueRange:
    """The range that values between `least` and `largest`, of this type, are probably meant in.

    uint8: all of it; uint16: the fewest bits of a camera that hold the largest; floats: 0 to 1 or -1 to 1 if all lie
    within; else from the least to the largest. None: there are no values.
    """
    low, high = 0.0 if least is None else least, 1.0 if largest is None else largest
    if dtype == np.uint8:
        return BYTES
    if dtype == np.uint16:
        return ValueRange(0, next((1 << bits) - 1 for bits in CAMERAS if high < 1 << bits), dtype.name)
    if np.issubdtype(dtype, np.floating):
        for usual in (0.0, -1.0):
            if usual <= low and high <= 1:
                return ValueRange(usual, 1, dtype.name)
    return between(low, high, dtype.name)


def between(low: float, high: float, dtype: str) -> ValueRange:
    """The range from the one value to the other; where both are the same, one that begins there."""
    return ValueRange(low, high if high > low else low + max(1, abs(low) * 2**-20), dtype)  # low + 1 may be low
