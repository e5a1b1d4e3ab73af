"""Loss curves of bounded size."""

import math
from dataclasses import dataclass, field

import numpy as np

POINTS = 512
SMOOTHED = 24  # a smoothed point looks at this part of all points to either side

Point = tuple[float, float]  # (epoch, value)


@dataclass
class Curve:
    """One loss over the epochs, in at most 512 points however long the training.

    A point is the mean of `stride` neighbouring values; when the points are full they are merged in pairs and
    the stride doubles. Values that are not finite are counted, not drawn.
    """

    points: list[Point] = field(default_factory=list)
    stride: int = 1
    mean: Point = (0.0, 0.0)  # of the `count` values since the last point
    count: int = 0
    last: str = ""  # the latest value as text: it may be "nan"
    not_finite: int = 0

    def add(self, epoch: float, value: float) -> None:
        """Add one value. An epoch earlier than the latest (a run that resumed) forgets what came after it."""
        self._forget_after(epoch)
        self.last = f"{value:.4g}"
        if not math.isfinite(value):
            self.not_finite += 1
            return
        self.count += 1
        self.mean = _mix(self.mean, (float(epoch), float(value)), 1 / self.count)
        if self.count < self.stride:
            return
        self.points.append(self.mean)
        self.count = 0
        if len(self.points) == POINTS:
            self.points = [_mix(a, b, 0.5) for a, b in zip(self.points[::2], self.points[1::2], strict=True)]
            self.stride *= 2

    def drawn(self) -> list[Point]:
        """Return the points to draw: those kept, then the mean of the values that came since."""
        return [*self.points, self.mean] if self.count else self.points

    def smoothed(self) -> list[Point]:
        """Return what is drawn as means of neighbours to both sides, the nearer the heavier; few points stay."""
        points = self.drawn()
        reach = len(points) // SMOOTHED
        if not reach:
            return points
        weights = np.concatenate([np.arange(1, reach + 2), np.arange(reach, 0, -1)]) / (reach + 1) ** 2
        total = np.convolve([value for _, value in points], weights, "same")
        means = total / np.convolve(np.ones(len(points)), weights, "same")  # there are fewer neighbours at the ends
        return [(epoch, float(mean)) for (epoch, _), mean in zip(points, means, strict=True)]

    def _forget_after(self, epoch: float) -> None:
        if self.count and self.mean[0] > epoch:
            self.count = 0
        while self.points and self.points[-1][0] >= epoch:
            self.points.pop()

    @classmethod
    def from_state(cls, state: dict) -> "Curve":
        """Return the curve whose `vars()` were stored as JSON. Raises an exception for anything else."""
        points = [_finite_point(point) for point in state["points"]]
        if len(points) >= POINTS:
            raise ValueError(f"a curve has {len(points)} points, but fewer than {POINTS} were expected")
        return cls(
            points, int(state["stride"]), _finite_point(state["mean"]), int(state["count"]),
            str(state["last"]), int(state["not_finite"]),
        )


def _mix(a: Point, b: Point, weight: float) -> Point:
    return a[0] * (1 - weight) + b[0] * weight, a[1] * (1 - weight) + b[1] * weight


def _finite_point(pair: list[float]) -> Point:
    epoch, value = map(float, pair)
    if not (math.isfinite(epoch) and math.isfinite(value)):
        raise ValueError(f"a point ({epoch}, {value}) is not finite")
    return epoch, value
