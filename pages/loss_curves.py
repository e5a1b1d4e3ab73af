"""Loss curves of bounded size, drawn as small SVG charts."""

import math
from dataclasses import dataclass, field

from dominate import svg, tags

POINTS = 512
LEFT, RIGHT, TOP, BOTTOM, WIDTH, HEIGHT = 50, 314, 8, 96, 320, 116  # of a chart and its plot, in SVG units

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


def charts(curves: dict[str, Curve]) -> str:
    """Return one small chart for each curve as HTML, all over the same range of epochs."""
    epochs = [epoch for curve in curves.values() for epoch, _ in curve.drawn()]
    span = (min(epochs), max(epochs)) if epochs else (0.0, 0.0)
    figures = [_chart(name, curve, span) for name, curve in curves.items()]
    return tags.div(figures, cls="charts").render(pretty=False) + "\n"


def _chart(name: str, curve: Curve, epochs: Point) -> tags.figure:
    points = curve.drawn()
    caption = tags.figcaption(tags.b(name), tags.output(curve.last))
    if curve.not_finite:
        caption.add(tags.em(f"{curve.not_finite} values not finite"))
    drawing = svg.svg(viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{name} over the epochs")
    if points:
        low, high = min(value for _, value in points), max(value for _, value in points)
        across = [LEFT + (RIGHT - LEFT) * _fraction(epoch, *epochs) for epoch, _ in points]
        down = [BOTTOM - (BOTTOM - TOP) * _fraction(value, low, high) for _, value in points]
        drawing.add(_axes(low, high, epochs), _line(across, down))
    return tags.figure(caption, drawing, cls="chart")


def _axes(low: float, high: float, epochs: Point) -> svg.g:
    """Two hairlines, at the largest and the smallest value, with their labels, and the range of epochs below."""
    group = svg.g(fill="currentColor", font_size="10", font_family="system-ui, sans-serif")
    for y, value in ((TOP, high), (BOTTOM, low)):
        group.add(svg.line(x1=LEFT, x2=RIGHT, y1=y, y2=y, stroke="currentColor", stroke_opacity="0.3"))
        group.add(svg.text(f"{value:.3g}", x=LEFT - 6, y=y + 3.5, text_anchor="end"))
    below = HEIGHT - 5
    group.add(
        svg.text(f"{round(epochs[0], 1):g}", x=LEFT, y=below),
        svg.text("epoch", x=(LEFT + RIGHT) / 2, y=below, text_anchor="middle"),
        svg.text(f"{round(epochs[1], 1):g}", x=RIGHT, y=below, text_anchor="end"),
    )
    return group


def _line(across: list[float], down: list[float]) -> svg.g:
    """A line through the points, in SVG units, and a dot at its end."""
    corners = [f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True)]
    x, y = corners[-1].split(",")
    return svg.g(
        svg.polyline(points=" ".join(corners), fill="none", stroke="currentColor", stroke_linejoin="round"),
        svg.circle(cx=x, cy=y, r="2.5", fill="currentColor"),
        cls="curve",
    )


def _fraction(value: float, low: float, high: float) -> float:
    """Return where value lies between low and high: 0 to 1, or the middle where they are equal."""
    span = high / 2 - low / 2  # halves: high - low may be more than a float holds
    return (value / 2 - low / 2) / span if span > 0 else 0.5


def _mix(a: Point, b: Point, weight: float) -> Point:
    return a[0] * (1 - weight) + b[0] * weight, a[1] * (1 - weight) + b[1] * weight


def _finite_point(pair: list[float]) -> Point:
    epoch, value = map(float, pair)
    if not (math.isfinite(epoch) and math.isfinite(value)):
        raise ValueError(f"a point ({epoch}, {value}) is not finite")
    return epoch, value
