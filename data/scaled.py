"""From an image file to what samples are cropped from: upright images with the wanted channels, scaled."""
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from data.pixels import resize
from data.transforms import Preprocess
from raster.picture import Size
from raster.pillow_files import MAX_PIXELS, open_image, upright, upright_size
from util.errors import UserError

DRAFTED = ("JPEG", "MPO")  # formats that can be decoded at a part of their size


class ImageFile(NamedTuple):
    """A file and what is in it: one image, or two that lie side by side (A|B)."""

    path: Path
    channels: tuple[int, ...]  # of each image, from the left: 1 gray, 3 RGB


def read_scaled(file: ImageFile, preprocess: Preprocess, fast: bool, bits: int = 16, max_pixels: float = MAX_PIXELS
                ) -> list[Image.Image]:
    """The images in a file, each of the size that `preprocess` scales it to.

    fast: decode a JPEG at 1/2, 1/4 or 1/8 of its size where that is still at least as large; pixels differ a little.
    bits, max_pixels: as for `read_image`.
    Raises BadImage when the file cannot be read, UserError when it is too narrow for two images.
    """
    path, channels = file
    sides = len(channels)
    with open_image(path, max_pixels) as stored:
        size = upright_size(stored) if fast and stored.format in DRAFTED else None
        if size:
            width, height = preprocess.scaled(side_size(path, size, sides))
            needed = width * sides, height
            stored.draft(None, needed if stored.size == size else needed[::-1])  # a file may lie on its side
        whole = upright(stored, channels[0] if sides == 1 else 3, bits)
    scaled = preprocess.scaled(side_size(path, size or whole.size, sides))
    return [resize(image, scaled) for image in ([whole] if sides == 1 else split_pair(path, whole, channels))]


def side_size(path: Path, size: Size, sides: int) -> Size:
    """The size of each image in a file of `size`. UserError when it is too narrow."""
    if size[0] < sides:
        raise UserError(f"{path} is {size[0]}x{size[1]} pixels; expected a pair A|B side by side, twice as wide as one "
                        "image")
    return size[0] // sides, size[1]


def split_pair(path: Path, whole: Image.Image, channels: tuple[int, ...]) -> list[Image.Image]:
    """The left and the right half; an odd width leaves out the middle."""
    (width, height), half = whole.size, side_size(path, whole.size, 2)[0]
    halves = whole.crop((0, 0, half, height)), whole.crop((width - half, 0, width, height))
    return [image if nc == 3 else image.convert("L") for image, nc in zip(halves, channels, strict=True)]
