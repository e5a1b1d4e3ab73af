"""Towns in values finer than 8 bits, and photos of other bands than red, green and blue.

Values are gray levels, 0..255, as floating point; `stored` brings them to the type of a file. Rounded to whole levels
they are the pictures of toy_pictures.py, exactly.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image
from toy_pictures import PHOTO_COLOURS, SPLITS, draw_classes, map_canvas, photo_values
from toy_town import OVERSAMPLE, plan_town

KINDS = ("uint8", "uint16", "float32")
INFRARED = (120, 225, 12, 80, 50, 170)  # of each class: plants and tiles are bright in it, water is dark
WITHIN = 0.498  # of a gray level: values differ from whole levels by no more


class Scene(NamedTuple):
    """photo (size, size, bands) and street_map (size, size, 3) in gray levels; the class of each pixel."""

    photo: np.ndarray
    street_map: np.ndarray
    classes: Image.Image


def draw_scene(seed: int, split: str, number: int, size: int, bands: int) -> Scene:
    """The town that draw_town draws. bands: of the photo; 0: red, green and blue."""
    rng = np.random.default_rng((seed, SPLITS.index(split), number))
    town = plan_town(rng, size)
    photo = photo_values(town, rng)
    photo = near(photo, photo.round().clip(0, 255))
    canvas = map_canvas(town)
    smooth = np.asarray(canvas, float).reshape(size, OVERSAMPLE, size, OVERSAMPLE, 3).mean(axis=(1, 3))
    classes = draw_classes(town)
    shown = seen_in(photo, np.asarray(classes), bands) if bands else photo
    return Scene(shown, near(smooth, np.asarray(canvas.reduce(OVERSAMPLE), float)), classes)


def near(values: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """The values, held so near to the whole levels that they round to these in any type."""
    return values.clip(rounded - WITHIN, rounded + WITHIN).clip(0, 255)


def seen_in(photo: np.ndarray, classes: np.ndarray, bands: int) -> np.ndarray:
    """(H, W, bands): near infrared, red, green, blue, and further ones that each show the classes in levels of their
    own. Infrared and the further ones have the light, the shadows and the grain of the photo.
    """
    light = photo.mean(axis=2) / np.mean(PHOTO_COLOURS, axis=1)[classes]
    levels = [np.array(INFRARED)] + [np.random.default_rng(band).uniform(20, 235, len(INFRARED))
                                     for band in range(4, bands)]
    infrared, *further = (level[classes] * light for level in levels)
    return np.stack([infrared, *np.moveaxis(photo, 2, 0), *further][:bands], axis=2).clip(0, 255)


def stored(levels: np.ndarray, kind: str) -> np.ndarray:
    """Gray levels as a file of that kind has them: uint16 is 257 times a level, float32 is a reflectance in 0..1."""
    if kind == "float32":
        return (levels / 255).astype(np.float32)
    return (levels * {"uint8": 1, "uint16": 257}[kind]).round().astype(kind)
