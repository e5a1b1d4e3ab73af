"""Curves drawn as small SVG charts."""
import math
from collections.abc import Mapping

from dominate import svg, tags

from pages.loss_curves import Curve, Point
from pages.scale import Scale, fraction, scale_of

LEFT, RIGHT, TOP, BOTTOM, WIDTH, HEIGHT = 50, 314, 10, 100, 320, 120  # of a chart and its plot, in SVG units
EQUILIBRIUM = "Dotted: the value at the equilibrium, where the discriminator cannot tell generated from real images."


def charts(title: str, note: str, curves: Mapping[str, Curve], equilibria: Mapping[str, float] | None = None,
           best: Mapping[str, Point] | None = None) -> str:
    """Return a section with a small chart for each curve, all over the same epochs, as HTML; nothing without curves.

    note: a sentence below the title; equilibria: values by the name of a curve, dotted lines; best: points to mark.
    """
    if not curves:
        return ""
    epochs = [epoch for curve in curves.values() for epoch, _ in curve.drawn()]
    span = (math.floor(min(epochs)), max(epochs)) if epochs else (0.0, 0.0)
    known = {name: value for name, value in (equilibria or {}).items() if name in curves}
    figures = [_chart(name, curve, span, known.get(name), (best or {}).get(name)) for name, curve in curves.items()]
    notes = tags.p(f"{note} {EQUILIBRIUM}" if known else note, cls="note")
    section = tags.section(tags.h2(title), notes, tags.div(figures, cls="charts"), cls="curves")
    return section.render(pretty=False) + "\n"


def _chart(name: str, curve: Curve, epochs: Point, equilibrium: float | None, best: Point | None) -> tags.figure:
    caption = tags.figcaption(tags.b(name), tags.output(curve.last))
    if best:
        caption.add(tags.span(f"best: {best[1]:.4g}, epoch {best[0]:g}", cls="best"))
    if curve.not_finite:
        caption.add(tags.em(f"{curve.not_finite} values not finite"))
    drawing = svg.svg(viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{name} over the epochs")
    points, smoothed = curve.drawn(), curve.smoothed()
    if points:
        more = [value for value in (equilibrium, best and best[1]) if value is not None]
        scale = scale_of([value for _, value in points] + more)
        drawing.add(_axes(scale, epochs))
        if smoothed != points:
            drawing.add(_line(points, epochs, scale, "raw"))
        drawing.add(_line(smoothed, epochs, scale, "curve"))
        if equilibrium is not None:
            drawing.add(_dotted(equilibrium, scale))
        if best:
            x, y = _place(best, epochs, scale)
            drawing.add(svg.circle(cx=x, cy=y, r="4", fill="none", stroke_width="1.6", cls="best"))
    return tags.figure(caption, drawing, cls="chart")


def _axes(scale: Scale, epochs: Point) -> svg.g:
    """A hairline and a label at each tick, zero stronger, and below the range of epochs. A scale without zero says so.
    """
    group = svg.g(fill="currentColor", font_size="10", font_family="system-ui, sans-serif")
    for tick in scale.ticks:
        y, opacity = _down(tick, scale), "0.7" if tick == 0 else "0.2"
        group.add(svg.line(x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", stroke="currentColor",
                           stroke_opacity=opacity, cls="zero" if tick == 0 else "tick"))
        group.add(svg.text(f"{tick:.6g}", x=LEFT - 6, y=f"{y + 3.5:.1f}", text_anchor="end"))
    if scale.without_zero:
        group.add(_break(BOTTOM if scale.ticks[0] > 0 else TOP + 14))
    below = HEIGHT - 5
    group.add(
        svg.text(f"{round(epochs[0], 1):g}", x=LEFT, y=below),
        svg.text(scale.without_zero or "epoch", x=(LEFT + RIGHT) / 2, y=below, text_anchor="middle"),
        svg.text(f"{round(epochs[1], 1):g}", x=RIGHT, y=below, text_anchor="end"),
    )
    return group


def _break(y: float) -> svg.polyline:
    """The zigzag of an axis that leaves something out, at that height."""
    corners = " ".join(f"{LEFT + dx},{y + dy}" for dx, dy in ((0, -14), (0, -10), (-4, -8), (4, -4), (0, -2), (0, 0)))
    return svg.polyline(points=corners, fill="none", stroke="currentColor", cls="break")


def _dotted(value: float, scale: Scale) -> svg.g:
    y = _down(value, scale)
    return svg.g(
        svg.line(x1=LEFT, x2=RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", stroke="currentColor", stroke_width="1.6",
                 stroke_dasharray="0 5", stroke_linecap="round"),
        svg.text(f"{value:.3g}", x=RIGHT, y=f"{y - 4:.1f}", text_anchor="end", font_size="10", fill="currentColor"),
        cls="equilibrium",
    )


def _line(points: list[Point], epochs: Point, scale: Scale, kind: str) -> svg.g:
    """A line through the points; the last one has a dot, but for a raw line."""
    places = [_place(point, epochs, scale) for point in points]
    line = svg.polyline(points=" ".join(f"{x},{y}" for x, y in places), fill="none", stroke="currentColor",
                        stroke_linejoin="round")
    x, y = places[-1]
    dot = [svg.circle(cx=x, cy=y, r="2.5", fill="currentColor")] if kind == "curve" else []
    return svg.g(line, *dot, cls=kind)


def _place(point: Point, epochs: Point, scale: Scale) -> tuple[str, str]:
    """Where a point is drawn, in SVG units."""
    return f"{LEFT + (RIGHT - LEFT) * fraction(point[0], *epochs):.1f}", f"{_down(point[1], scale):.1f}"


def _down(value: float, scale: Scale) -> float:
    return BOTTOM - (BOTTOM - TOP) * scale.fraction(value)
