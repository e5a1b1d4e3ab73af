"""From an image file to an upright 8-bit Pillow image with the wanted channels."""
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from util.errors import UserError

MODES = {1: "L", 3: "RGB"}
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class BadImage(UserError):
    """A file that cannot be read as an image."""

    def __init__(self, path: Path, reason: str):
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} cannot be read as an image: {self.reason}"


def read_image(path: Path, channels: int) -> Image.Image:
    """The image as 8-bit gray (channels=1) or RGB (channels=3), turned upright by its EXIF orientation.

    Transparent pixels are laid over white; palettes, CMYK and gray are converted; 16 bits are scaled down to 8.
    Raises BadImage, naming the file, when it cannot be read.
    """
    with open_image(path) as image:
        return upright(image, channels)


def upright(image: Image.Image, channels: int) -> Image.Image:
    """An open file's image as `read_image` gives it."""
    return _convert(ImageOps.exif_transpose(image), MODES[channels])


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) in pixels after turning upright, from what has been read of the file so far."""
    # Newer versions of Pillow turn the size of a TIFF themselves, older ones do not: ask the file.
    stored = (image.tag_v2[256], image.tag_v2[257]) if image.format == "TIFF" else image.size
    exif = Image.Image.getexif(image)  # that of PNG images would decode them first
    return stored[::-1] if exif.get(0x0112, 1) >= 5 else stored  # orientations 5..8 lie on their side


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """The file with its header read. Raises BadImage, also for what is found wrong while it is open."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
            raise OSError("it is not a regular file")
        if status.st_size == 0:
            raise OSError("the file is empty")
        with Image.open(path) as image:
            if image.mode == "F":
                raise ValueError("its pixels are floating point numbers, whose range is not known; save it with 8 or 16 bits")
            yield image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            raise
        raise BadImage(path, _reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is no image, or its header is damaged"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray; Pillow would clip it at 255
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
