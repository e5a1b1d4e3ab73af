"""What an image file holds, and whether it is there as a whole; without decoding it where its format allows."""
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ImageFile

from raster import pillow_files, tiff_files
from raster.bad_image import MAX_PIXELS
from raster.names import split_page
from raster.picture import Header, Size
from raster.reading import family
from shards.member import first_bytes, open_file, status

TAIL = 4096  # bytes; cameras and editors may append something to the image
PIECE = 1 << 22  # values that are looked at at once


class Look(NamedTuple):
    """What a file, or a page of it, turned out to hold.

    least, largest: of all values that are finite and hold data, opacity aside; None where there are none, and with 8
    bits a channel, where they are not asked for. void: whether pixels hold no data. by_pillow: whether Pillow reads all
    of it as 8 bits.
    """

    size: Size  # upright
    pages: int = 1  # or frames, slices
    channels: int = 3
    dtype: np.dtype = np.dtype(np.uint8)
    alpha: bool = False  # whether the last channel says how opaque a pixel is
    by_pillow: bool = True
    least: float | None = None
    largest: float | None = None
    void: bool = False

    @property
    def gray(self) -> bool:
        return self.channels - self.alpha == 1


def inspect_image(path: Path, max_pixels: float = MAX_PIXELS) -> Look:
    """What a file that holds a whole image looks like.

    Reads its header and looks for the end that the format prescribes; decodes it only where that decides nothing, and
    where its values have more than 8 bits or may be missing: large files a part at a time. Raises BadImage.
    """
    file, page = split_page(path)
    kind = family(file)
    if kind is pillow_files:
        with pillow_files.open_image(file, max_pixels, page) as image:
            header = pillow_files.header_of(image)
            if header.dtype == np.uint8:
                if page > 1 or not ENDS.get(image.format, _no_end)(file, image):
                    image.load()
                return _look(header, path == file)
    by_pillow = False
    if kind is tiff_files:
        header, plain, whole = tiff_files.look_at(file, page, max_pixels)
        by_pillow = plain and path == file
        if whole and header.dtype == np.uint8 and header.no_data is None:
            return _look(header, by_pillow)
    else:
        header = kind.read_header(file, page, max_pixels)
    if header.origin.alpha:
        picture = kind.read_picture(file, page, max_pixels)
        least, largest, _ = _ends([picture.values[..., :-1]], header.no_data)
        void = picture.void() is not None
    else:
        least, largest, void = _ends(kind.values_of(file, page, max_pixels), header.no_data)
    if header.dtype == np.uint8:
        least = largest = None
    return _look(header, by_pillow)._replace(least=least, largest=largest, void=void)


def _look(header: Header, by_pillow: bool) -> Look:
    return Look(header.size, header.pages, header.channels, header.dtype, header.origin.alpha, by_pillow)


def _ends(parts: Iterable[np.ndarray], no_data: float | None) -> tuple[float | None, float | None, bool]:
    """The least and the largest value that is finite and holds data, and whether there are values without data."""
    ends, void = [], False
    for values in (piece for part in parts for piece in _pieces(part)):
        if no_data is not None:
            missing = values == no_data
            void = void or bool(missing.any())
            values = values[~missing]
        if values.dtype.kind == "f":
            void = void or bool(np.isnan(values).any())
            values = values[np.isfinite(values)]
        if values.size:
            ends += [values.min().item(), values.max().item()]
    return min(ends, default=None), max(ends, default=None), void


def _pieces(values: np.ndarray) -> Iterator[np.ndarray]:
    flat = values.reshape(-1)
    return (flat[begin:begin + PIECE] for begin in range(0, flat.size, PIECE))


def _tail(path: Path, begin: int = 0) -> bytes:
    """The last TAIL bytes of the file, but nothing before `begin`."""
    with open_file(path) as file:
        file.seek(max(begin, status(path).size - TAIL))
        return file.read()


def _jpeg_end(path: Path, image: ImageFile.ImageFile) -> bool:
    begin = image.fp.tell() if image.fp else 0  # the header before may hold a thumbnail, which ends alike
    return b"\xff\xd9" in _tail(path, begin)


def _png_end(path: Path, image: ImageFile.ImageFile) -> bool:
    return b"IEND\xaeB`\x82" in _tail(path)


def _webp_end(path: Path, image: ImageFile.ImageFile) -> bool:
    return int.from_bytes(first_bytes(path, 8)[4:], "little") + 8 <= status(path).size


def _no_end(path: Path, image: ImageFile.ImageFile) -> bool:
    return False


ENDS: dict[str | None, Callable[[Path, ImageFile.ImageFile], bool]] = {
    "JPEG": _jpeg_end, "PNG": _png_end, "WEBP": _webp_end}
