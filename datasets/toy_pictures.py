"""The two pictures of a town, an aerial photo and a street map, and the class of each of their pixels."""

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from toy_town import FIELD, MAIN_ROAD, OVERSAMPLE, WIDTH, Colour, Rng, Town, fill, normals, plan_town, stroke

SPLITS = ("train", "test")
MAP_COLOURS = ((237, 226, 200), (156, 212, 132), (116, 184, 242), (255, 255, 255), (250, 198, 72), (190, 122, 104))
PHOTO_COLOURS = ((164, 142, 92), (66, 98, 46), (24, 62, 84), (146, 146, 148), (110, 106, 100), (140, 76, 58))
PHOTO_GRAIN = (6, 6, 3, 4, 4, 4)  # texture of each class, grey levels
ROOFS = ((142, 72, 54), (150, 82, 62), (128, 68, 54), (132, 84, 70), (122, 90, 80))
CARS = ((225, 225, 225), (40, 40, 48), (150, 40, 36), (60, 80, 130))
KERB, LANE_MARK = (170, 167, 160), (228, 188, 96)


def draw_town(seed: int, split: str, number: int, size: int) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Photo, map and classes, each size x size, of one town; they depend on these four values only."""
    rng = np.random.default_rng((seed, SPLITS.index(split), number))
    town = plan_town(rng, size)
    return draw_photo(town, rng), draw_map(town), draw_classes(town)


def draw_map(town: Town) -> Image.Image:
    """The street map: the flat MAP_COLOURS of the classes, edges smoothed; RGB, size x size."""
    return map_canvas(town).reduce(OVERSAMPLE)


def map_canvas(town: Town) -> Image.Image:
    """The street map before its edges are smoothed; RGB, OVERSAMPLE * size a side."""
    return painted(town.classes, MAP_COLOURS)


def draw_classes(town: Town) -> Image.Image:
    """The class of each pixel (index into CLASSES), shown in MAP_COLOURS; palette image, size x size."""
    picture = Image.fromarray(np.asarray(town.classes)[OVERSAMPLE // 2::OVERSAMPLE, OVERSAMPLE // 2::OVERSAMPLE])
    picture.putpalette(np.ravel(MAP_COLOURS).tolist())
    return picture


def draw_photo(town: Town, rng: Rng) -> Image.Image:
    """The aerial photo; RGB, size x size."""
    return Image.fromarray(photo_values(town, rng).round().clip(0, 255).astype(np.uint8))


def photo_values(town: Town, rng: Rng) -> np.ndarray:
    """The photo before it is rounded: ground, marks and cars, shadows, roofs, trees, then light and grain.

    (size, size, 3) in gray levels, a little below 0 and above 255 too.
    """
    scale = town.warp.scale
    angle = rng.uniform(0.7, 0.9)
    shadow = np.array((math.cos(angle), math.sin(angle))) * scale  # of something one metre high
    photo = painted(town.classes, PHOTO_COLOURS)
    draw_traffic(photo, town, rng)
    trees = plant_trees(town, rng)
    shade = Image.new("L", photo.size, 255)
    for corners in town.buildings:
        for step in np.linspace(0, rng.uniform(3.0, 5.0), 5):
            fill(shade, corners + step * shadow, 140)
    for x, y, r in trees:
        disc(shade, x + r * 0.7, y + r * 0.7, r, 175)
    photo = ImageChops.multiply(photo, shade.filter(ImageFilter.BoxBlur(1)).convert("RGB"))
    for corners in town.buildings:
        draw_roof(photo, corners, shadow / scale, rng)
    for x, y, r in trees:
        green = np.array((50, 88, 36)) * rng.uniform(0.9, 1.1)
        disc(photo, x, y, r, colour(green * 0.84))
        disc(photo, x - r * 0.2, y - r * 0.2, r * 0.75, colour(green))
        disc(photo, x - r * 0.35, y - r * 0.35, r * 0.4, colour(green * 1.16))
    return develop(photo.reduce(OVERSAMPLE), town, rng)


def draw_traffic(photo: Image.Image, town: Town, rng: Rng) -> None:
    """Pale kerbs, dashed lines along the main roads, a few cars."""
    scale = town.warp.scale
    paved = town.classes.point([255 * (kind in WIDTH) for kind in range(256)])
    kerb = ImageChops.subtract(paved, paved.filter(ImageFilter.MinFilter(2 * round(0.8 * scale) + 1)))
    photo.paste(KERB, mask=kerb)
    for points, kind in town.roads:
        length = np.hypot(*np.diff(points, axis=0).T).sum() / scale
        if kind == MAIN_ROAD:
            for start in np.arange(0, length, 6.0):
                stroke(photo, along(points, (start, start + 3.0), scale), 0.7 * scale, LANE_MARK)
        for spot in rng.uniform(0, length, int(length / 40)):
            car = along(points, (spot, spot + 4.2), scale, aside=WIDTH[kind] * rng.choice((-0.25, 0.25)))
            if (town.class_at(car) == kind).sum() == 2:
                stroke(photo, car, 1.9 * scale, CARS[rng.integers(len(CARS))])


def along(points: np.ndarray, at: tuple, scale: float, aside: float = 0.0) -> np.ndarray:
    """The two points `at` metres along a road, `aside` metres beside it -> (2, 2) canvas pixels."""
    pixels = np.concatenate(([0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    pair = np.stack([np.interp(np.multiply(at, scale), pixels, axis) for axis in points.T], 1)
    return pair + aside * scale * normals(pair)


def plant_trees(town: Town, rng: Rng) -> np.ndarray:
    """Trees thick in the parks and thin on open ground -> (N, 3): x, y, radius in canvas pixels."""
    scale, canvas = town.warp.scale, town.classes.width
    spots = rng.uniform(0, canvas, (int((canvas / scale) ** 2 / 24), 2))
    chance = np.array((0.03, 0.85, 0, 0, 0, 0))[town.class_at(spots)]
    spots = spots[rng.random(len(spots)) < chance]
    return np.column_stack((spots, rng.uniform(1.6, 3.6, len(spots)) * scale))


def draw_roof(photo: Image.Image, corners: np.ndarray, light: np.ndarray, rng: Rng) -> None:
    """A gabled or hipped roof, each face lit by its slope away from `light` (unit vector of the shadows)."""
    if np.linalg.norm(corners[1] - corners[0]) < np.linalg.norm(corners[2] - corners[1]):
        corners = np.roll(corners, -1, axis=0)
    a, b, c, d = corners
    left, right, hip = (a + d) / 2, (b + c) / 2, rng.choice((0.0, 0.25))
    left, right = left + hip * (right - left), right + hip * (left - right)
    tile = np.array(ROOFS[rng.integers(len(ROOFS))]) * rng.uniform(0.95, 1.05)
    for face in ((a, b, right, left), (c, d, left, right), (b, c, right), (d, a, left)):
        outward = (face[0] + face[1]) / 2 - (left + right) / 2
        fill(photo, np.stack(face), colour(tile * (1 - 0.18 * (outward @ light) / np.linalg.norm(outward))))
    stroke(photo, np.stack((left, right)), OVERSAMPLE * 0.7, colour(tile * 1.2))


def develop(photo: Image.Image, town: Town, rng: Rng) -> np.ndarray:
    """Ground texture, the light of the day (within some percent, uneven) and sensor noise; (H, W, 3), not rounded."""
    size = photo.width
    kinds = np.asarray(draw_classes(town))
    tint = np.where(kinds == FIELD, np.asarray(town.tint.reduce(OVERSAMPLE)) / 128.0, 1.0)
    grain = clouds(rng, size, 8) + clouds(rng, size, max(4, size // 5)) + rng.normal(0, 0.5, (size, size))
    tint = tint * (1 + rng.uniform(-0.03, 0.03) + 0.04 * clouds(rng, size, 2))
    cast = 1 + rng.uniform(-0.02, 0.02, 3)
    pixels = np.asarray(photo) * tint[..., None] * cast
    pixels += (np.take(PHOTO_GRAIN, kinds) * grain)[..., None] + rng.normal(0, 2.0, (size, size, 3))
    return pixels


def clouds(rng: Rng, size: int, cells: int) -> np.ndarray:
    """(size, size) smooth noise around 0, about 0.5 strong, with `cells` bumps a side."""
    knots = Image.fromarray(rng.uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32))
    return np.asarray(knots.resize((size, size), Image.Resampling.BICUBIC))


def painted(classes: Image.Image, colours: tuple) -> Image.Image:
    picture = classes.copy()
    picture.putpalette(np.ravel(colours).tolist())
    return picture.convert("RGB")


def colour(values: np.ndarray) -> tuple[int, ...]:
    return tuple(np.clip(values, 0, 255).astype(int).tolist())


def disc(image: Image.Image, x: float, y: float, radius: float, value: Colour) -> None:
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=value)
