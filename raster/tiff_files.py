"""TIFF files, read with tifffile; those of 8 bits whose colours Pillow knows are decoded by it, as ever."""
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image

from raster import pillow_files
from raster.bad_image import MAX_PIXELS, naming, require_pixels
from raster.picture import Header, Picture
from raster.tiff_pages import StoredPicture, find_picture, frame, places, stored_pages
from raster.tiff_tags import no_data_of, origin_of
from raster.turning import turned, turned_size
from shards.member import mapped, source, status
from util.errors import UserError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
JPEG = (6, 7, 34892)  # compressions whose tables lie elsewhere
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters of a damaged file is raised


class Looked(NamedTuple):
    """What a look at a file tells, without decoding it. plain: whether Pillow reads it as 8 bits with the same pixels;
    whole: whether all bytes of the page are there, False where only decoding it can tell."""

    header: Header
    plain: bool
    whole: bool


def look_at(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Looked:
    """What the file says of a page. Raises BadImage, also when bytes of it are missing."""
    with _open(path, page, max_pixels) as found:
        _require_whole(path, found)
        return Looked(_header(found), _is_plain(found), int(found.first.compression) not in JPEG)


def read_header(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Header:
    """What the file says of its picture. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        return _header(found)


def read_picture(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Picture:
    """The picture with all channels of its page, upright. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        if found.plain:
            values = pillow_files.read_picture(path, frame(found), max_pixels).values
        else:
            _require_whole(path, found)
            values = np.ascontiguousarray(turned(_decode(path, found), found.orientation), found.dtype)
        return Picture(values, origin_of(found), no_data_of(found))


def values_of(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Iterator[np.ndarray]:
    """All values, in arrays of any shape; of a large file a part at a time. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        _require_whole(path, found)
        parts = None if found.plain else _parts(path, found)
        if parts is None:
            yield read_picture(path, page, max_pixels).values
        else:
            yield from parts


def is_plain(path: Path) -> bool:
    """Whether Pillow decodes the first page. Raises BadImage."""
    with _open(path, 1, float("inf")) as found:
        return _is_plain(found)


def _is_plain(found: StoredPicture) -> bool:
    return found.plain and frame(found) == 1


def _header(found: StoredPicture) -> Header:
    return Header(turned_size(found.size, found.orientation), found.channels, found.dtype, found.pages,
                  origin_of(found), no_data_of(found))


@contextlib.contextmanager
def _open(path: Path, page: int, max_pixels: float) -> Iterator[StoredPicture]:
    with naming(path, Exception), tifffile.TiffFile(source(path), _multifile=False) as file:
        found = find_picture(file, page)
        kind = found.first.dtype
        if not found.plain and (kind is None or kind.kind not in "uif" or kind.itemsize > 8):
            raise ValueError(f"its pixels are of a type that cannot be read ({kind or found.first.sampleformat}); "
                             "expected whole or floating point numbers of up to 64 bits")
        require_pixels(found.size, found.channels * found.dtype.itemsize, max_pixels)
        yield found


def _decode(path: Path, found: StoredPicture) -> np.ndarray:
    """(H, W, C) as stored."""
    series, where = found.series, places(found)
    whole = _mapped(path, found)
    if whole is not None:
        block = whole
    else:
        pages, between = stored_pages(found)
        inside = tuple(where.get(axis, slice(None)) for axis in range(between, len(series.shape)))
        decoded = [_decode_page(path, page).reshape(series.shape[between:])[inside] for page in pages]
        block = np.stack(decoded).reshape([side for axis, side in enumerate(series.shape) if axis not in where])
    axes = [axis for place, axis in enumerate(series.axes) if place not in where]
    order = [axes.index("Y"), axes.index("X")] + [place for place, axis in enumerate(axes) if axis in "CS"]
    width, height = found.size
    return block.transpose(order).reshape(height, width, -1)


def _mapped(path: Path, found: StoredPicture) -> np.ndarray | None:
    """The page in the mapped file, without the axes between pages, where it lies there as it is."""
    series, where = found.series, places(found)
    if series.dataoffset is None or found.first.bitspersample != series.dtype.itemsize * 8:
        return None
    kind = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
    whole = mapped(path, kind, series.dataoffset, tuple(series.shape))
    return whole[tuple(where.get(axis, slice(None)) for axis in range(len(series.shape)))]


def _parts(path: Path, found: StoredPicture) -> Iterator[np.ndarray] | None:
    """The values in parts, where that takes less memory than the whole."""
    whole = _mapped(path, found)
    if whole is not None:
        return (np.asarray(part) for part in whole)
    pages, between = stored_pages(found)
    if any(axis >= between for axis in places(found)):
        return None
    return (part for page in pages for part in _segments(path, page))


def _segments(path: Path, page: tifffile.TiffPage) -> Iterator[np.ndarray]:
    with _codecs(path):
        for decoded, _, shape in page.segments(maxworkers=1):
            yield np.zeros(1, page.dtype) if decoded is None else decoded[tuple(map(slice, shape))]


def _decode_page(path: Path, page: tifffile.TiffPage) -> np.ndarray:
    try:
        with _codecs(path):
            return page.asarray(maxworkers=1)
    except UserError:
        values = _by_pillow(path, page)
        if values is None:
            raise
        return values


@contextlib.contextmanager
def _codecs(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, ImportError) as error:
        if not isinstance(error, ImportError) and "imagecodecs" not in str(error):
            raise
        raise UserError(f"{path} is packed in a way that is read with imagecodecs, which cannot be imported ({error}); "
                        "install it with: pip install .[formats]") from None


def _by_pillow(path: Path, page: tifffile.TiffPage) -> np.ndarray | None:
    """Gray pages as Pillow decodes them, where it keeps their type: it brings some codecs that tifffile lacks."""
    with contextlib.suppress(*pillow_files.PILLOW_ERRORS), Image.open(source(path)) as image:
        pillow_files.seek(image, page.index + 1)
        values = np.asarray(image)
        if page.samplesperpixel == 1 and values.dtype == page.dtype and values.shape == page.shape:
            return values
    return None


def _require_whole(path: Path, found: StoredPicture) -> None:
    """ValueError when the file ends before its pixels do. Parts of length 0 are left out on purpose."""
    length = status(path).size
    for page in stored_pages(found)[0]:
        ends = [begin + count for begin, count in zip(page.dataoffsets, page.databytecounts, strict=True) if count]
        if not ends or max(ends) > length:
            raise ValueError(f"it is cut off: its pixels go up to byte {max(ends, default=0)}, the file has {length}")
