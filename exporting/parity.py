"""Whether an export answers as PyTorch does, on real pictures."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Parity:
    """Differences from PyTorch of values in [-1, 1], over all pictures; ms: of a picture, PyTorch and the export."""

    pictures: int
    largest: float
    mean: float
    tolerance: float
    size: int  # bytes
    ms: tuple[float, float]
