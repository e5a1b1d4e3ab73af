"""From an image file to an upright 8-bit Pillow image with the wanted channels."""
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from util.errors import UserError

MODES = {1: "L", 3: "RGB"}


def read_image(path: Path, channels: int) -> Image.Image:
    """The image as 8-bit gray (channels=1) or RGB (channels=3), turned upright by its EXIF orientation.

    Transparent pixels are laid over white; palettes, CMYK and gray are converted; 16 bits are scaled down to 8.
    Raises UserError, naming the file, when it cannot be read.
    """
    with _opened(path) as image:
        return _convert(ImageOps.exif_transpose(image), MODES[channels])


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels, upright, from the file's header alone. Raises UserError, naming the file."""
    with _opened(path) as image:
        # Newer versions of Pillow turn the size of a TIFF themselves, older ones do not: ask the file.
        stored = (image.tag_v2[256], image.tag_v2[257]) if image.format == "TIFF" else image.size
        return stored[::-1] if image.getexif().get(0x0112, 1) >= 5 else stored  # orientations 5..8 lie on their side


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as an image: {error}") from None


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray; Pillow would clip it at 255
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
