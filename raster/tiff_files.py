"""TIFF files, read with tifffile; those of 8 bits whose colours Pillow knows are decoded by it, as ever."""
import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import COMPRESSION_INFO

from raster import pillow_files
from raster.bad_image import MAX_PIXELS, naming, require_pixels
from raster.picture import Header, Origin, Picture, Size
from raster.turning import lies, turned, turned_size
from util.errors import UserError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
NO_DATA_TAG = 42113  # GDAL's, as text
PLAIN = {(0, 1), (1, 1), (3, 1), (1, 2), (2, 3), (2, 4), (5, 4), (6, 3), (8, 3)}  # photometric, samples: of Pillow
ALPHA = ((1,), (2,))  # of the tag ExtraSamples: premultiplied or not
JPEG = (6, 7, 34892)  # compressions whose tables lie elsewhere
INCHES = {"inch": 1.0, "cm": 2.54, "mm": 25.4, "micron": 25400.0, "um": 25400.0, "µm": 25400.0, "\\u00B5m": 25400.0,
          "nm": 25_400_000.0}  # how many of them an inch is
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters of a damaged file is raised


class _Page(NamedTuple):
    """One picture of a file: number `number` of those in a series, which may have more axes than three."""

    series: tifffile.TiffPageSeries
    number: int
    pages: int  # of the whole file

    @property
    def first(self) -> tifffile.TiffPage:
        return self.series.keyframe

    @property
    def size(self) -> Size:
        """As stored."""
        sides = dict(zip(self.series.axes, self.series.shape, strict=True))
        return sides["X"], sides["Y"]

    @property
    def channels(self) -> int:
        return _product(side for axis, side in zip(self.series.axes, self.series.shape, strict=True) if axis in "CS")

    @property
    def orientation(self) -> int:
        tag = self.first.tags.get(274)
        return int(tag.value) if tag else 1

    @property
    def plain(self) -> bool:
        """Whether Pillow knows its colours and how they are packed."""
        first, file = self.first, self.first.parent
        kind = int(first.photometric), first.samplesperpixel
        known = kind in PLAIN and (self.alpha or kind not in ((1, 2), (2, 4)))
        packed = int(first.compression) in COMPRESSION_INFO and not (file.is_bigtiff and file.byteorder == ">")
        return (known and packed and first.bitspersample <= 8 and first.sampleformat == 1 and first.imagedepth == 1
                and self.channels == first.samplesperpixel)

    @property
    def alpha(self) -> bool:
        first = self.first
        return (first.samplesperpixel in (2, 4) and first.extrasamples[-1:] in ALPHA
                and self.channels == first.samplesperpixel)


def read_header(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Header:
    """What the file says of its picture. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        if found.plain:
            plain = pillow_files.read_header(path, _frame(found), max_pixels)
            return plain._replace(pages=found.pages, origin=_origin(found, plain.origin.alpha), no_data=_no_data(found))
        size = turned_size(found.size, found.orientation)
        return Header(size, found.channels, _dtype(found), found.pages, _origin(found, found.alpha), _no_data(found))


def read_picture(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Picture:
    """The picture with all channels of its page, upright. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        if found.plain:
            plain = pillow_files.read_picture(path, _frame(found), max_pixels)
            return Picture(plain.values, _origin(found, plain.origin.alpha), _no_data(found))
        _require_whole(path, found)
        values = turned(_decode(path, found), found.orientation)
        return Picture(np.ascontiguousarray(values, _dtype(found)), _origin(found, found.alpha), _no_data(found))


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
        return found.plain and _frame(found) == 1


def is_whole(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> bool:
    """Whether all of the page's bytes are there; False where only decoding it can tell. Raises BadImage if not."""
    with _open(path, page, max_pixels) as found:
        _require_whole(path, found)
        return int(found.first.compression) not in JPEG


@contextlib.contextmanager
def _open(path: Path, page: int, max_pixels: float) -> Iterator[_Page]:
    with naming(path, Exception), tifffile.TiffFile(path, _multifile=False) as file:
        found = _find(file, page)
        kind = found.first.dtype
        if kind is None or kind.kind not in "uif" or kind.itemsize > 8:
            raise ValueError(f"its pixels are of a type that cannot be read ({kind or found.first.sampleformat}); "
                             "expected whole or floating point numbers of up to 64 bits")
        require_pixels(found.size, found.channels * kind.itemsize, max_pixels)
        yield found


def _find(file: tifffile.TiffFile, page: int) -> _Page:
    """Pages are counted through all series but those of thumbnails, overviews and masks."""
    shown = [series for series in file.series
             if {"X", "Y"} <= set(series.axes) and not (series.keyframe.is_reduced or series.keyframe.is_mask)]
    counts = [_product(side for _, side in _others(series)) for series in shown]
    number = page - 1
    for series, count in zip(shown, counts, strict=True):
        if number < count:
            return _Page(series, number, sum(counts))
        number -= count
    raise ValueError(f"it has {sum(counts)} pages, page {page} was asked for")


def _others(series: tifffile.TiffPageSeries) -> list[tuple[int, int]]:
    """The axes that are neither space nor channels, with their lengths: each of their places is a page."""
    return [(place, side) for place, (axis, side) in enumerate(zip(series.axes, series.shape, strict=True))
            if axis not in "YXCS"]


def page_in_parts(file: tifffile.TiffFile, page: int) -> tifffile.TiffPage | None:
    """The page of an open file that alone holds a picture, upright, all channels, whose parts decode to its values.

    None where the picture is made up of several pages, or where colours or directions are to be converted.
    """
    found = _find(file, page)
    try:
        pages, between = _stored_pages(found)
    except ValueError:  # pages that share one description
        return None
    if len(pages) != 1 or any(axis >= between for axis in _where(found)):
        return None
    stored = pages[0].aspage() if isinstance(pages[0], tifffile.TiffFrame) else pages[0]
    as_stored = int(stored.photometric) in (1, 2) or (int(stored.photometric), int(stored.compression)) == (6, 7)
    plain = stored.dtype is not None and stored.bitspersample == 8 * stored.dtype.itemsize and stored.imagedepth == 1
    return stored if as_stored and plain and found.orientation == 1 else None


def _product(sides: Iterator[int]) -> int:
    product = 1
    for side in sides:
        product *= int(side)
    return product


def _where(found: _Page) -> dict[int, int]:
    """The place of the page on each axis that is neither space nor channels."""
    others = _others(found.series)
    places = np.unravel_index(found.number, [side for _, side in others]) if others else ()
    return {axis: int(place) for (axis, _), place in zip(others, places, strict=True)}


def _stored_pages(found: _Page) -> tuple[list[Any], int]:
    """The pages of the file that hold the channels of this one, and how many axes of the series lie between pages."""
    series = found.series
    between = len(series.shape)
    while between and _product(iter(series.shape[:between])) != len(series):
        between -= 1
    if not between and len(series) > 1:
        raise ValueError(f"its {len(series)} pages do not make up an array of {series.shape}")
    where = _where(found)
    grid = np.arange(len(series)).reshape(series.shape[:between])
    chosen = grid[tuple(where.get(axis, slice(None)) for axis in range(between))]
    pages = [series[int(number)] for number in np.ravel(chosen)]
    if any(page is None for page in pages):
        raise ValueError("one of its pages is missing")
    return pages, between


def _decode(path: Path, found: _Page) -> np.ndarray:
    """(H, W, C) as stored."""
    series, where = found.series, _where(found)
    mapped = _mapped(path, found)
    if mapped is not None:
        block = mapped
    else:
        pages, between = _stored_pages(found)
        inside = tuple(where.get(axis, slice(None)) for axis in range(between, len(series.shape)))
        decoded = [_decode_page(path, page).reshape(series.shape[between:])[inside] for page in pages]
        block = np.stack(decoded).reshape([side for axis, side in enumerate(series.shape) if axis not in where])
    axes = [axis for place, axis in enumerate(series.axes) if place not in where]
    order = [axes.index("Y"), axes.index("X")] + [place for place, axis in enumerate(axes) if axis in "CS"]
    width, height = found.size
    return block.transpose(order).reshape(height, width, -1)


def _mapped(path: Path, found: _Page) -> np.ndarray | None:
    """The page in the mapped file, without the axes between pages, where it lies there as it is."""
    series, where = found.series, _where(found)
    if series.dataoffset is None or found.first.bitspersample != series.dtype.itemsize * 8:
        return None
    kind = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
    whole = np.memmap(path, kind, "r", series.dataoffset, tuple(series.shape))
    return whole[tuple(where.get(axis, slice(None)) for axis in range(len(series.shape)))]


def _parts(path: Path, found: _Page) -> Iterator[np.ndarray] | None:
    """The values in parts, where that takes less memory than the whole."""
    mapped = _mapped(path, found)
    if mapped is not None:
        return (np.asarray(part) for part in mapped)
    pages, between = _stored_pages(found)
    if any(axis >= between for axis in _where(found)):
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
    with contextlib.suppress(*pillow_files.PILLOW_ERRORS), Image.open(path) as image:
        pillow_files.seek(image, page.index + 1)
        values = np.asarray(image)
        if page.samplesperpixel == 1 and values.dtype == page.dtype and values.shape == page.shape:
            return values
    return None


def _frame(found: _Page) -> int:
    """The number, from 1, by which Pillow knows the page."""
    pages, _ = _stored_pages(found)
    return int(pages[0].index) + 1


def _require_whole(path: Path, found: _Page) -> None:
    """ValueError when the file ends before its pixels do. Parts of length 0 are left out on purpose."""
    length = path.stat().st_size
    for page in _stored_pages(found)[0]:
        ends = [begin + count for begin, count in zip(page.dataoffsets, page.databytecounts, strict=True) if count]
        if not ends or max(ends) > length:
            raise ValueError(f"it is cut off: its pixels go up to byte {max(ends, default=0)}, the file has {length}")


def _dtype(found: _Page) -> np.dtype:
    return np.dtype(found.first.dtype).newbyteorder("=")


def _origin(found: _Page, alpha: bool) -> Origin:
    stored = found.first.tags
    tags = {number: stored[number].value for number in GEO_TAGS if number in stored} if found.orientation == 1 else {}
    return Origin("TIFF", _resolution(found), MappingProxyType(tags), alpha)


def _resolution(found: _Page) -> tuple[float, float] | None:
    """Pixels per inch across and down, upright; of ImageJ's files by the unit that they name."""
    tags = found.first.tags
    if 282 not in tags or 283 not in tags:
        return None
    unit = int(tags[296].value) if 296 in tags else 2
    imagej: Mapping[str, Any] = found.first.parent.imagej_metadata or {}
    inch = {2: 1.0, 3: 2.54}.get(unit) or INCHES.get(str(imagej.get("unit", "")))
    sides = [top / bottom for top, bottom in (tags[number].value for number in (282, 283)) if bottom]
    if inch is None or len(sides) < 2 or not all(0 < side < np.inf for side in sides):
        return None
    across, down = (side * inch for side in sides)
    return (down, across) if lies(found.orientation) else (across, down)


def _no_data(found: _Page) -> float | None:
    """The value of pixels without data, where the file names one that its type can hold; NaN goes without saying."""
    tag = found.first.tags.get(NO_DATA_TAG)
    if tag is None or int(found.first.photometric) == 3:  # the colours of a palette are not the values it means
        return None
    try:
        value = float(str(tag.value).strip("\0 "))
    except ValueError:
        return None
    kind = _dtype(found)
    if kind.kind == "f":
        value = float(kind.type(value))
        return None if np.isnan(value) else value
    whole = np.iinfo(kind)
    return value if value.is_integer() and whole.min <= value <= whole.max else None
