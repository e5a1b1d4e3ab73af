"""From an image file to an upright 8-bit Pillow image with the wanted channels."""
import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from util.errors import UserError

MODES = {1: "L", 3: "RGB"}
# What Pillow raises for damaged files: RuntimeError of AVIF and of codecs, TypeError of a TIFF without dimensions.
PILLOW_ERRORS = (OSError, ValueError, SyntaxError, RuntimeError, TypeError, EOFError, struct.error)
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
MAX_PIXELS = 178_956_970  # what Pillow refuses by itself: an eighth of a gigabyte in gray, half of one in colour
Image.MAX_IMAGE_PIXELS = None  # open_image has a limit of its own, which --max_pixels raises


class BadImage(UserError):
    """A file that cannot be read as an image."""

    def __init__(self, path: Path, reason: str):
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} cannot be read as an image: {self.reason}"


def read_image(path: Path, channels: int, bits: int = 16, max_pixels: float = MAX_PIXELS) -> Image.Image:
    """The image as 8-bit gray (channels=1) or RGB (channels=3), turned upright by its EXIF orientation.

    Transparent pixels are laid over white; palettes, CMYK and gray are converted; gray with more than 8 bits is scaled
    down: 0 to 2**bits - 1 become 0 to 255, larger values 255. Of several pages or frames the first is read.
    Raises BadImage, naming the file, when it cannot be read or has more than max_pixels.
    """
    with open_image(path, max_pixels) as image:
        return upright(image, channels, bits)


def upright(image: Image.Image, channels: int, bits: int = 16) -> Image.Image:
    """An open file's image as `read_image` gives it."""
    return _convert(ImageOps.exif_transpose(image), MODES[channels], bits)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) in pixels after turning upright, from what has been read of the file so far."""
    # Newer versions of Pillow turn the size of a TIFF themselves, older ones do not: ask the file.
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    stored = (tags[256], tags[257]) if tags else image.size
    exif = Image.Image.getexif(image)  # that of PNG images would decode them first
    return stored[::-1] if exif.get(0x0112, 1) >= 5 else stored  # orientations 5..8 lie on their side


def is_deep_gray(image: Image.Image) -> bool:
    """Whether the image is gray with more than 8 bits."""
    return image.mode.startswith("I")


def deep_values(image: Image.Image) -> np.ndarray:
    """The values, 0 to 65535, of a gray image with more than 8 bits. ValueError when there are others."""
    values = np.asarray(image)
    least, largest = int(values.min()), int(values.max())
    if least < 0 or largest > 0xFFFF:
        raise ValueError(f"its values go from {least} to {largest}, expected 0 to 65535; save it with 8 or 16 bits "
                         "without a sign")
    return values


@contextmanager
def open_image(path: Path, max_pixels: float = MAX_PIXELS) -> Iterator[ImageFile.ImageFile]:
    """The file with its header read. Raises BadImage, also for what is found wrong while it is open."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
            raise OSError("it is not a regular file")
        if status.st_size == 0:
            raise OSError("the file is empty")
        with Image.open(path) as image:
            if image.mode == "F":
                raise ValueError("its pixels are floating point numbers, whose range is not known; save it with 8 or "
                                 "16 bits")
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise ValueError(f"it has {pixels} pixels, more than --max_pixels {max_pixels}; give --max_pixels "
                                 f"{pixels} if it is not a trap")
            yield image
    except PILLOW_ERRORS as error:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            raise
        raise BadImage(path, _reason(path, error)) from None


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is no image, or its header is damaged"
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return f"it is a link to {os.readlink(path)}, which does not exist"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _convert(image: Image.Image, mode: str, bits: int) -> Image.Image:
    if is_deep_gray(image):  # Pillow would clip it at 255
        image = Image.fromarray((deep_values(image) >> (bits - 8)).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
