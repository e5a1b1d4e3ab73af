"""What is drawn of a curve: honest scales, means of neighbours, the equilibrium, the best point."""
import math
import random
import re

import pytest

from pages.charts import BOTTOM, LEFT, RIGHT, TOP, charts
from pages.loss_curves import Curve
from pages.scale import scale_of


def curve(values: list[float]) -> Curve:
    """One value an epoch."""
    made = Curve()
    for number, value in enumerate(values):
        made.add(number + 1, value)
    return made


@pytest.mark.parametrize("values, ticks", [
    ([0.31, 0.95], (0, 0.25, 0.5, 0.75, 1)),  # from zero
    ([2.0, 12.0], (0, 5, 10, 15)),
    ([21.0, 29.9], (20, 22.5, 25, 27.5, 30)),  # from zero it would fill less than a third
    ([-2.5, 1.5], (-3, -2, -1, 0, 1, 2)),
    ([-1.0, -0.4], (-1, -0.75, -0.5, -0.25, 0)),
    ([-6.0, -5.0], (-6, -5.75, -5.5, -5.25, -5)),
    ([3.0], (0, 1, 2, 3)),  # a line is no curve to flatten
    ([3.0, 3.0001], (0, 1, 2, 3, 4)),
    ([0.0, 0.0], (0, 0.25, 0.5, 0.75, 1)),
])
def test_a_scale_begins_at_zero_unless_that_flattens_the_curve(values, ticks):
    assert scale_of(values).ticks == pytest.approx(ticks)


@pytest.mark.parametrize("values, said", [
    ([0.31, 0.95], ""), ([-2.5, 1.5], ""),
    ([21.0, 29.9], "scale begins at 20, not at 0"), ([-6.0, -5.0], "scale ends at -5, not at 0"),
])
def test_a_scale_without_zero_says_so_and_breaks_its_axis(values, said):
    assert scale_of(values).without_zero == said
    html = charts("Losses", "", {"G": curve(values)})
    assert f">{said or 'epoch'}</text>" in html
    assert ('class="break"' in html, 'class="zero"' in html) == (bool(said), not said)


@pytest.mark.parametrize("values", [[1e308, -1e308], [5e-324, 0.0], [1.7e308, 1.0], [5e-324], [-1.7e308, -1e308],
                                    [1e300, 1e-300]])
def test_scales_hold_whatever_a_float_holds(values):
    ticks = scale_of(values).ticks
    assert all(map(math.isfinite, ticks)) and 2 <= len(ticks) <= 8
    assert ticks[0] <= min(values) <= max(values) <= ticks[-1]


def heights(html: str, kind: str) -> list[float]:
    """The y of the corners of the first line of a kind, in SVG units."""
    points = re.search(rf'<g class="{kind}"><polyline[^>]*points="([^"]*)"', html)[1]
    return [float(point.split(",")[1]) for point in points.split()]


def test_a_strong_line_smooths_the_pale_one():
    noise = random.Random(0)
    html = charts("Losses", "", {"G": curve([10 + noise.gauss(0, 3) for _ in range(480)])})
    raw, smooth = heights(html, "raw"), heights(html, "curve")
    assert len(raw) == len(smooth) == 480
    assert max(smooth) - min(smooth) < 0.3 * (max(raw) - min(raw))
    ramp = curve([float(value) for value in range(240)])
    assert ramp.smoothed()[10:-10] == [pytest.approx(point) for point in ramp.points[10:-10]], "without a lag"
    # the ends: 10 neighbours to one side with the weights 11, 10, ... 1
    assert ramp.smoothed()[0][1] == pytest.approx(sum(n * (11 - n) for n in range(11)) / 66)
    assert curve([5.0] * 100).smoothed() == [(number + 1, pytest.approx(5.0)) for number in range(100)]


def test_few_points_are_drawn_as_they_are():
    few = curve([1.0, 3.0, 2.0])
    assert few.smoothed() == few.points
    assert 'class="raw"' not in charts("Losses", "", {"G": few})


def test_the_equilibrium_is_a_dotted_line_at_its_value():
    curves = {"D": curve([0.2, 0.4, 0.1]), "L1": curve([1.0, 2.0])}
    html = charts("Losses", "Means.", curves, {"D": math.log(2), "X": 1.0})
    dotted = re.findall(r'class="equilibrium"><line[^>]*y1="([\d.]+)"[^>]*>(?:</line>)?<text[^>]*>([^<]*)<', html)
    assert scale_of([0.1, math.log(2)]).ticks[-1] == pytest.approx(0.8)  # it is on the scale, though above all values
    assert dotted == [(f"{BOTTOM - (BOTTOM - TOP) * math.log(2) / 0.8:.1f}", "0.693")]
    assert "Dotted: the value at the equilibrium" in html
    assert "Dotted" not in charts("Losses", "Means.", {"L1": curve([1.0, 2.0])}, {"D": 0.25})


def test_the_best_value_has_a_ring():
    html = charts("Validation", "", {"mae": curve([4.0, 1.0, 2.0])}, best={"mae": (2.0, 1.0)})
    assert "best: 1, epoch 2" in html
    ring = re.search(r'<circle [^>]*class="best"[^>]*>', html)[0]
    assert f'cx="{(LEFT + RIGHT) / 2:.1f}"' in ring and f'cy="{BOTTOM - (BOTTOM - TOP) / 4:.1f}"' in ring
