"""The scale of a chart: round numbers, from zero where that does not flatten the curve."""
import math
from dataclasses import dataclass

FLAT = 1e-4  # of a value: a curve that changes less is a line


@dataclass(frozen=True)
class Scale:
    """ticks: rising, at least two; the first and the last are the ends of the scale."""

    ticks: tuple[float, ...]

    def fraction(self, value: float) -> float:
        """Where a value lies: 0 at the lower end, 1 at the upper one."""
        return fraction(value, self.ticks[0], self.ticks[-1])

    @property
    def without_zero(self) -> str:
        """What is to be said of a scale that zero is not on; '' where it is."""
        low, high = self.ticks[0], self.ticks[-1]
        if low <= 0 <= high:
            return ""
        return f"scale begins at {low:.6g}, not at 0" if low > 0 else f"scale ends at {high:.6g}, not at 0"


def scale_of(values: list[float]) -> Scale:
    """The scale for finite values, at least one.

    Values of one sign begin at zero, unless they would fill less than a third of the height so.
    """
    low, high = min(values), max(values)
    span, largest = high / 2 - low / 2, max(abs(low), abs(high)) / 2  # halves: high - low may overflow
    if low > 0 or high < 0:
        low, high = (min(low, 0.0), max(high, 0.0)) if span >= largest / 3 or span <= FLAT * largest else (low, high)
    if low == high:  # zero alone
        high = 1.0
    return Scale(_ticks(low, high))


def fraction(value: float, low: float, high: float) -> float:
    """Where a value lies between low and high: 0 to 1, or the middle where they are equal."""
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span > 0 else 0.5


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """Two to five steps of 1, 2, 2.5 or 5 times a power of ten around low and high."""
    least = (high / 2 - low / 2) / 2  # a quarter of the span
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 0.0
    step = next((step for step in (power, 2 * power, 2.5 * power, 5 * power) if step >= least), 10 * power)
    if step == 0 or not math.isfinite(step):  # at the ends of what a float can hold
        return low, high
    ticks = tuple(step * number for number in range(math.floor(low / step), math.ceil(high / step) + 1))
    return ticks if math.isfinite(ticks[0]) and math.isfinite(ticks[-1]) else (low, high)
