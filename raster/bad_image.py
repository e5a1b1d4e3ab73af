"""Files that cannot be read as pictures, and how many pixels one may have."""
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raster.picture import Size
from shards.member import split_member, status
from util.errors import UserError

SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
MAX_PIXELS = 178_956_970  # what Pillow refuses by itself: an eighth of a gigabyte in gray, half of one in colour
PIXEL_BYTES = 16  # what a pixel takes before it counts as several: four channels of 32 bits


class BadImage(UserError):
    """A file that cannot be read as an image."""

    def __init__(self, path: Path, reason: str):
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} cannot be read as an image: {self.reason}"


@contextmanager
def naming(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Raises BadImage for the given exceptions, unless they are a UserError or the machine's lack of something."""
    try:
        yield
    except errors as error:
        if isinstance(error, UserError) or (isinstance(error, OSError) and error.errno in SHORTAGES):
            raise
        raise BadImage(path, _reason(path, error)) from None


def require_file(path: Path) -> None:
    """OSError unless the path is that of a file with something in it; a link may lead to it."""
    if split_member(path):
        if status(path).size == 0:
            raise OSError("the file is empty")
        return
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its other end
        raise OSError("it is not a regular file")
    if found.st_size == 0:
        raise OSError("the file is empty")


def require_pixels(size: Size, pixel_bytes: int, max_pixels: float) -> None:
    """ValueError for a picture without pixels, and for one that is larger than --max_pixels.

    pixel_bytes: what a pixel takes with all channels; more than PIXEL_BYTES count as several pixels, so that the
    memory is bounded too.
    """
    width, height = size
    if min(width, height, pixel_bytes) < 1:
        raise ValueError(f"it has {width}x{height} pixels of {pixel_bytes} bytes, expected at least one of each")
    pixels = width * height * max(1, -(-pixel_bytes // PIXEL_BYTES))
    if pixels > max_pixels:
        many = f" ({width}x{height} of {pixel_bytes} bytes each)" if pixel_bytes > PIXEL_BYTES else ""
        raise ValueError(f"it has {pixels} pixels{many}, more than --max_pixels {max_pixels}; give --max_pixels "
                         f"{pixels} if it is not a trap")


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return f"it is a link to {os.readlink(path)}, which does not exist"
    said = getattr(error, "strerror", None) or " ".join(str(error).split())  # in one line
    return said or type(error).__name__
