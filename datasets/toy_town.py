"""The plan of a small town: streets and blocks, parks, fields and water, then houses where ground is free.

Lengths are metres; a picture of 256 pixels shows 256 m, one of 64 pixels 128 m: small pictures show less town, so that
a street stays some pixels wide. A town is planned on a canvas OVERSAMPLE times as fine as its pictures.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

Rng = np.random.Generator
Colour = int | tuple[int, ...]

CLASSES = ("field", "park", "water", "road", "main_road", "building")
FIELD, PARK, WATER, ROAD, MAIN_ROAD, BUILDING = range(len(CLASSES))
OVERSAMPLE = 3
WIDTH = {ROAD: 7.0, MAIN_ROAD: 10.0}  # metres
LATTICE = np.stack(np.meshgrid(*[np.linspace(-1, 1, 6)] * 2), -1).reshape(-1, 2)


@dataclass(frozen=True)
class Warp:
    """From a plan of straight streets (metres, origin in the middle) to the canvas (pixels): waves and a turn."""
    scale: float  # canvas pixels a metre
    middle: float  # canvas pixels
    angle: float  # radians
    swing: float  # metres
    wavelength: float  # metres
    phase: np.ndarray  # (2,) radians

    def __call__(self, points: ArrayLike) -> np.ndarray:
        """(..., 2) metres -> (..., 2) canvas pixels."""
        points = np.asarray(points, float)
        points = points + self.swing * np.sin(points[..., ::-1] * (2 * math.pi / self.wavelength) + self.phase)
        return points @ rotation(self.angle) * self.scale + self.middle


@dataclass
class Town:
    """What both pictures are drawn from; canvas = OVERSAMPLE * size pixels a side."""
    warp: Warp
    classes: Image.Image  # "L", canvas x canvas, the class of each canvas pixel
    tint: Image.Image  # "L", canvas x canvas, brightness of open ground, 128 = neutral
    roads: list[tuple[np.ndarray, int]] = field(default_factory=list)  # (N, 2) canvas pixels, ROAD or MAIN_ROAD
    buildings: list[np.ndarray] = field(default_factory=list)  # (4, 2) canvas pixels

    def class_at(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) canvas pixels -> (M,) classes of those that lie on the canvas."""
        x, y = points.T.astype(int)
        inside = (np.minimum(x, y) >= 0) & (np.maximum(x, y) < self.classes.width)
        return np.asarray(self.classes)[y[inside], x[inside]]


def plan_town(rng: Rng, size: int) -> Town:
    """A town for pictures of size x size: roads and blocks, water over them, bridges over that, then the houses."""
    canvas, scale = OVERSAMPLE * size, OVERSAMPLE * math.sqrt(size / 256)
    side = canvas / scale
    warp = Warp(scale, canvas / 2, rng.uniform(-0.8, 0.8), rng.uniform(0, 0.035) * side, rng.uniform(0.7, 1.3) * side,
                rng.uniform(0, 2 * math.pi, 2))
    town = Town(warp, Image.new("L", (canvas, canvas), FIELD), Image.new("L", (canvas, canvas), 128))
    lines, blocks = plan_streets(rng, side)
    kinds = rng.choice(("built", "park", "farm"), len(blocks), p=(0.74, 0.14, 0.12))
    for block, kind in zip(blocks, kinds, strict=True):
        lay_block(town, rng, block, kind)
    town.roads = [(warp(np.linspace(start, end, 40)), kind) for start, end, kind in lines]
    lay_roads(town, ROAD)
    lay_water(town, rng, side)
    lay_roads(town, MAIN_ROAD)
    for block, kind in zip(blocks, kinds, strict=True):
        if kind == "built":
            build_block(town, rng, block)
    return town


def plan_streets(rng: Rng, side: float) -> tuple[list, list]:
    """Two crossing main roads, at times a third, and streets between -> (start, end, class) of each, block boxes."""
    reach = 0.8 * side  # the picture's corners, whichever way the plan is turned
    x, y = rng.uniform(-0.3, 0.3, 2) * side
    lines = [((x, -reach), (x, reach), MAIN_ROAD), ((-reach, y), (reach, y), MAIN_ROAD)]
    if rng.random() < 0.2:
        lean = rng.uniform(0.4, 0.9) * rng.choice((-1, 1)) * reach
        lines.append(((x - lean, -reach), (x + lean, reach), MAIN_ROAD))
    blocks, wider = [], (WIDTH[MAIN_ROAD] - WIDTH[ROAD]) / 2
    for x0, x1 in ((-reach, x - wider), (x + wider, reach)):
        for y0, y1 in ((-reach, y - wider), (y + wider, reach)):
            blocks += split(rng, (x0, y0, x1, y1), lines)
    return lines, blocks


def split(rng: Rng, box: tuple, lines: list, longest: float = 62.0) -> list:
    """Cut a box (x0, y0, x1, y1) by streets, added to lines, until no side is over `longest` metres -> the blocks."""
    x0, y0, x1, y1 = box
    xs, ys = [x0, x1], [y0, y1]
    if x1 - x0 > longest:
        xs.insert(1, x0 + (x1 - x0) * rng.uniform(0.4, 0.6))
        lines.append(((xs[1], y0), (xs[1], y1), ROAD))
    if y1 - y0 > longest:
        ys.insert(1, y0 + (y1 - y0) * rng.uniform(0.4, 0.6))
        lines.append(((x0, ys[1]), (x1, ys[1]), ROAD))
    if len(xs) + len(ys) == 4:
        return [box]
    return [block for left, right in pairwise(xs) for top, bottom in pairwise(ys)
            for block in split(rng, (left, top, right, bottom), lines, longest)]


def lay_block(town: Town, rng: Rng, box: tuple, kind: str) -> None:
    """The ground of one block: park, ploughed field or yards."""
    x0, y0, x1, y1 = box
    outline = town.warp([(x, y0) for x in np.linspace(x0, x1, 9)] + [(x, y1) for x in np.linspace(x1, x0, 9)])
    if kind == "park":
        fill(town.classes, outline, PARK)
    shade = int(128 + rng.uniform(-8, 8))
    fill(town.tint, outline, shade)
    if kind == "farm":
        for x in np.arange(x0, x1, 5.0):
            stroke(town.tint, town.warp(np.linspace((x, y0), (x, y1), 9)), 2.2 * town.warp.scale, shade - 12)


def lay_roads(town: Town, kind: int) -> None:
    for points, road_kind in town.roads:
        if road_kind == kind:
            stroke(town.classes, points, WIDTH[kind] * town.warp.scale, kind)


def lay_water(town: Town, rng: Rng, side: float) -> None:
    """A river (in 2 of 3 towns), a lake (in the others, and beside some rivers), on green banks."""
    kind = rng.choice(("river", "lake", "both"), p=(0.5, 0.35, 0.15))
    river, width = river_line(town, rng, side), rng.uniform(0.10, 0.16) * side * town.warp.scale
    shore, centre = lake_shore(rng, side) * town.warp.scale, quiet_spot(town, rng)
    bank = 0.02 * side * town.warp.scale
    shore *= min(1, room(town, shore, centre, bank + WIDTH[MAIN_ROAD] / 2 * town.warp.scale))
    for grown, ground in ((bank, PARK), (0, WATER)):
        if kind != "lake":
            stroke(town.classes, river, width + 2 * grown, ground)
        if kind != "river":
            fill(town.classes, centre + shore * (1 + grown / np.hypot(*shore.T))[:, None], ground)


def river_line(town: Town, rng: Rng, side: float) -> np.ndarray:
    """The middle of a winding river, aslant to the streets -> (60, 2) canvas pixels."""
    ahead = np.linspace(-1, 1, 60) * side
    aside = rng.uniform(-0.3, 0.3) * side + 0.07 * side * np.sin(ahead * (7 / side) + rng.uniform(0, 6))
    turn = rotation(town.warp.angle + rng.uniform(0.4, 1.2) * rng.choice((-1, 1)))
    return np.stack((ahead, aside), 1) @ turn * town.warp.scale + town.warp.middle


def lake_shore(rng: Rng, side: float) -> np.ndarray:
    """A rounded outline -> (60, 2) metres from its middle."""
    turn, phase = np.linspace(0, 2 * math.pi, 60, endpoint=False), rng.uniform(0, 6, 2)
    bulge = 1 + 0.2 * np.sin(2 * turn + phase[0]) + 0.1 * np.sin(3 * turn + phase[1])
    return rng.uniform(0.15, 0.22) * side * np.stack((np.cos(turn), np.sin(turn)), 1) * bulge[:, None]


def quiet_spot(town: Town, rng: Rng) -> np.ndarray:
    """Of eight spots the one farthest from any main road -> (2,) canvas pixels."""
    spots = rng.uniform(0.1, 0.9, (8, 2)) * town.classes.width
    return spots[np.argmax([np.hypot(*(main_roads(town) - spot).T).min() for spot in spots])]


def room(town: Town, shore: np.ndarray, centre: np.ndarray, gap: float) -> float:
    """How many times its size a lake may have, to lie `gap` canvas pixels off the middle of every main road."""
    away = (main_roads(town) - centre).T
    reach = np.interp(np.arctan2(*away), np.arctan2(*shore.T), np.hypot(*shore.T), period=2 * math.pi)
    return ((np.hypot(*away) - gap) / reach).min()


def main_roads(town: Town) -> np.ndarray:
    return np.concatenate([points for points, kind in town.roads if kind == MAIN_ROAD])


def build_block(town: Town, rng: Rng, box: tuple) -> None:
    """Houses on the lots along the edge of a block, wherever their whole ground is free."""
    margin = WIDTH[ROAD] / 2 + 1.0
    x0, y0, x1, y1 = np.add(box, (margin, margin, -margin, -margin))
    lot = rng.choice((14.0, 17.0, 24.0))
    columns, rows = max(1, round((x1 - x0) / lot)), max(1, round((y1 - y0) / lot))
    for i in range(columns):
        for j in range(rows):
            if (0 < i < columns - 1 and 0 < j < rows - 1) or rng.random() < 0.06:
                continue  # courtyards and a few empty lots
            size = np.array(((x1 - x0) / columns, (y1 - y0) / rows))
            middle = (x0, y0) + size * (i + 0.5, j + 0.5) + rng.uniform(-0.6, 0.6, 2)
            half = size / 2 * rng.uniform(0.78, 0.92, 2)
            ground = town.class_at(town.warp(middle + half * 1.1 * LATTICE))
            if ground.size and (ground == FIELD).all():
                corners = town.warp(middle + half * ((-1, -1), (1, -1), (1, 1), (-1, 1)))
                fill(town.classes, corners, BUILDING)
                town.buildings.append(corners)


def fill(image: Image.Image, outline: np.ndarray, value: Colour) -> None:
    ImageDraw.Draw(image).polygon(outline.ravel().tolist(), fill=value)


def stroke(image: Image.Image, points: np.ndarray, width: float, value: Colour) -> None:
    """A band along a line; both in pixels of the image. (Pillow's own wide lines leave gaps at the joints.)"""
    aside = normals(points) * max(width, 1.5) / 2
    fill(image, np.concatenate((points + aside, (points - aside)[::-1])), value)


def normals(points: np.ndarray) -> np.ndarray:
    """The unit vectors at right angles to a line: (N, 2) -> (N, 2)."""
    ahead = np.gradient(points, axis=0)
    return ahead[:, ::-1] * (-1, 1) / np.maximum(np.hypot(*ahead.T), 1e-6)[:, None]


def rotation(angle: float) -> np.ndarray:
    """The (2, 2) matrix that turns row vectors by `angle` radians."""
    return np.array(((math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))))
