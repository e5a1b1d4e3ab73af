"""What an image file holds, and whether it is there as a whole; without decoding it where its format allows."""
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ImageFile, TiffImagePlugin

from raster.picture import Size
from raster.pillow_files import MAX_PIXELS, deep_values, is_deep_gray, open_image, upright_size

TAIL = 4096  # bytes; cameras and editors may append something to the image


class Look(NamedTuple):
    """What a file turned out to hold."""

    size: Size  # upright
    pages: int = 1  # or frames
    largest: int | None = None  # value, 0 to 65535; None with 8 bits a channel or fewer, where it is not asked for
    gray: bool = False


def inspect_image(path: Path, max_pixels: float = MAX_PIXELS) -> Look:
    """What a file that holds a whole image looks like.

    Reads its header and looks for the end that the format prescribes; decodes it only where that decides nothing, and
    where the image has more than 8 bits a channel. Raises BadImage.
    """
    with open_image(path, max_pixels) as image:
        size = upright_size(image)  # before it is decoded, which turns some formats
        pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: what a phone keeps beside a photo
        if is_deep_gray(image):
            return Look(size, pages, int(deep_values(image).max()), gray=True)
        if _is_deep_colour(image):
            return Look(size, pages, int(np.asarray(image)[..., :3].max()) << 8)  # alpha does not count
        if not ENDS.get(image.format, _no_end)(path, image):
            image.load()
        return Look(size, pages)


def _is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Whether Pillow reads the upper 8 of the 16 bits of each channel."""
    return any(";16" in str(tile[-1]) for tile in image.tile)


def _tail(path: Path, begin: int = 0) -> bytes:
    """The last TAIL bytes of the file, but nothing before `begin`."""
    with path.open("rb") as file:
        file.seek(max(begin, path.stat().st_size - TAIL))
        return file.read()


def _jpeg_end(path: Path, image: ImageFile.ImageFile) -> bool:
    begin = image.fp.tell() if image.fp else 0  # the header before may hold a thumbnail, which ends alike
    return b"\xff\xd9" in _tail(path, begin)


def _png_end(path: Path, image: ImageFile.ImageFile) -> bool:
    return b"IEND\xaeB`\x82" in _tail(path)


def _webp_end(path: Path, image: ImageFile.ImageFile) -> bool:
    with path.open("rb") as file:
        return int.from_bytes(file.read(8)[4:], "little") + 8 <= path.stat().st_size


def _tiff_end(path: Path, image: ImageFile.ImageFile) -> bool:
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    if tags is None or tags.get(259) == 7:  # JPEG: its tables lie elsewhere
        return False
    strips, tiles = (273, 279), (324, 325)  # where each begins, and its bytes
    for begins, counts in ((tags.get(begin), tags.get(count)) for begin, count in (strips, tiles)):
        if isinstance(begins, tuple) and isinstance(counts, tuple):
            return max(map(sum, zip(begins, counts, strict=False))) <= path.stat().st_size and min(counts) > 0
    return False


def _no_end(path: Path, image: ImageFile.ImageFile) -> bool:
    return False


ENDS: dict[str | None, Callable[[Path, ImageFile.ImageFile], bool]] = {
    "JPEG": _jpeg_end, "PNG": _png_end, "WEBP": _webp_end, "TIFF": _tiff_end}
