"""What the dataset doctor remembers of an image: small enough for a hundred thousand of them."""
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data.integrity import Look, inspect_image
from data.scaled import ImageFile, split_pair
from raster.bad_image import MAX_PIXELS
from raster.picture import Size
from raster.pillow_files import open_image, upright
from raster.reading import read_picture
from raster.view import byte_view, own_range
from util.errors import UserError

HASH_BITS = 63
THUMB = 8  # pixels a side
FLAT = 2.0  # levels of standard deviation: an image of one colour is like every other such
MOST_COLOURS = 12  # that a label picture is made of
NOISE = 2  # levels by which saving as JPEG moves most pixels of a flat area
LITTLE = 8  # levels between neighbours: less than between most steps of a smoothed edge
DCT = np.cos(np.pi / 32 * (np.arange(32) + 0.5) * np.arange(8)[:, None])  # the first 8 rows of the DCT-II


class Picture(NamedTuple):
    """One image of a file."""

    size: Size
    gray: bool  # its channels hold the same
    drawn: float  # share of pixels, 0 to 1, that have one of few flat colours
    grain: float  # share of pixels, 0 to 1, that differ from a neighbour by little, as noise does and edges do not
    digest: bytes  # of its pixels: equal for equal images, in whatever format
    code: np.ndarray  # bool (HASH_BITS,): nearly equal for images that look alike
    thumb: np.ndarray  # uint8 (THUMB, THUMB, 3)
    edges: np.ndarray  # uint8 (16, 16): how much happens where
    flat: bool  # one colour: its code means nothing


class FileFacts(NamedTuple):
    """A file, what its header says, and the images in it: one, or the two of a pair side by side."""

    path: Path
    look: Look
    mode: str  # "RGB with 8 bits"
    format: str
    transparent: bool
    pictures: tuple[Picture, ...]


def examine(file: ImageFile, max_pixels: float = MAX_PIXELS) -> FileFacts | UserError:
    """The facts of a file; the UserError when it cannot be read."""
    path, channels = file
    try:
        look = inspect_image(path, max_pixels)
        values = None
        if look.by_pillow:
            with open_image(path, max_pixels) as stored:
                mode, form, whole = stored.mode, str(stored.format), upright(stored, 3)
        else:
            picture = read_picture(path, max_pixels)
            mode, form, values = "", picture.origin.format, picture.values
            whole = Image.fromarray(byte_view(picture, own_range(picture)))
        images = [whole] if len(channels) == 1 else split_pair(path, whole, (3, 3))
    except UserError as error:
        return error
    lefts = [0, whole.width - images[-1].width][:len(images)]
    pictures = [picture_facts(image, None if values is None else values[:, left:left + image.width])
                for image, left in zip(images, lefts, strict=True)]
    return FileFacts(path, look, _mode(mode, look), form, look.alpha, tuple(pictures))


def picture_facts(image: Image.Image, values: np.ndarray | None = None) -> Picture:
    """What is remembered of an RGB image. values: those that it is a view of, which tell it from others."""
    pixels = np.asarray(image)  # (H, W, 3)
    exact = pixels if values is None else np.ascontiguousarray(values)
    red, green, blue = (pixels[..., channel].astype(np.int16) for channel in range(3))
    gray = bool(max(np.abs(red - green).max(), np.abs(green - blue).max()) <= 2)  # JPEG rounds
    light = image.convert("L")
    small = np.asarray(light.resize((32, 32), Image.Resampling.BOX), np.float32)
    return Picture(
        image.size, gray, *_few_colours(image, gray), hashlib.blake2b(exact.tobytes(), digest_size=16,
                                                         salt=image.width.to_bytes(8, "little")).digest(),
        perceptual_hash(small), np.asarray(image.resize((THUMB, THUMB), Image.Resampling.BOX)),
        _edges(light), bool(small.std() < FLAT))


def perceptual_hash(small: np.ndarray) -> np.ndarray:
    """(32, 32) gray to bool (HASH_BITS,): which of the 8x8 lowest frequencies, without the mean, are above the median.

    Of a smaller, brighter or recompressed copy all but a few bits are the same (Zauner, 2010: pHash).
    """
    frequencies = (DCT @ small @ DCT.T).ravel()[1:]
    return frequencies > np.median(frequencies)


def _mode(mode: str, look: Look) -> str:
    """'RGB with 8 bits'. mode: Pillow's; '' for what it does not read."""
    bits = 1 if mode == "1" else look.dtype.itemsize * 8
    colours = {1: "gray", 3: "RGB"}.get(look.channels - look.alpha, f"{look.channels} channels")
    names = {"1": "gray", "L": "gray", "P": "palette", "CMYK": "CMYK"}
    kind = {"i": ", signed", "f": ", floating point"}.get(look.dtype.kind, "")
    return f"{names.get(mode, colours + ' + alpha' * look.alpha)} with {bits} bit{'s' * (bits > 1)}{kind}"


def _edges(light: Image.Image) -> np.ndarray:
    """uint8 (16, 16): the mean slope in each cell of a 16x16 grid."""
    pixels = np.asarray(light.resize((128, 128), Image.Resampling.BOX), np.float32)
    down, across = np.gradient(pixels)
    return np.hypot(down, across).reshape(16, 8, 16, 8).mean((1, 3)).clip(0, 255).astype(np.uint8)


def _few_colours(image: Image.Image, gray: bool) -> tuple[float, float]:
    """The share of pixels that lie within NOISE levels of one of MOST_COLOURS colours, and the share of grain.

    Of a drawn label picture that share is large even after saving as JPEG; a photo has shades between. In gray these
    have little room, so two neighbours of a pixel, which are like it where a picture is flat, stand for its channels.
    """
    pixels = np.asarray(image)
    rows, columns = (np.linspace(0, side - 1, min(side, 96)).astype(int)[:-1] for side in pixels.shape[:2])
    at = np.ix_(rows, columns)
    below, beside = np.ix_(rows + 1, columns), np.ix_(rows, columns + 1)
    steps = np.max([np.abs(pixels[at].astype(np.int16) - pixels[place]).max(-1) for place in (below, beside)], axis=0)
    grain = np.count_nonzero((steps > 0) & (steps <= LITTLE)) / max(1, steps.size)
    channels = [pixels[place][..., 0] for place in (at, below, beside)] if gray else np.moveaxis(pixels[at], -1, 0)
    left = np.array(channels, np.int32).reshape(3, -1)
    count = max(1, left.shape[1])
    for _ in range(MOST_COLOURS):
        if not left.size:
            break
        red, green, blue = left >> 3
        bins = red << 10 | green << 5 | blue
        colour = np.median(left[:, bins == np.bincount(bins).argmax()], axis=1, keepdims=True).astype(int)
        left = left[:, np.abs(left - colour).max(0) > NOISE]
    return 1 - left.shape[1] / count, grain
