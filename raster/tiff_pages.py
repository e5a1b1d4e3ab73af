"""The pictures in a TIFF file: which of its pages make up each of them, and how they lie there."""
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL.TiffImagePlugin import COMPRESSION_INFO

from raster.picture import Size

PLAIN = {(0, 1), (1, 1), (3, 1), (1, 2), (2, 3), (2, 4), (5, 4), (6, 3), (8, 3)}  # photometric, samples: of Pillow
CONVERTED = {(3, 1): 3, (5, 4): 3}  # of these: the channels that Pillow makes of them
PACKED = COMPRESSION_INFO.keys() - {50001}  # compressions of Pillow; of WebP it knows the name, but often no more
ALPHA = ((1,), (2,))  # of the tag ExtraSamples: premultiplied or not


class StoredPicture(NamedTuple):
    """One picture of a file: number `number` of those in a series, which may have more axes than three."""

    series: tifffile.TiffPageSeries
    number: int
    pages: int  # of the whole file

    @property
    def first(self) -> tifffile.TiffPage:
        """The page that says what all pages of the series are like."""
        return self.series.keyframe

    @property
    def size(self) -> Size:
        """As stored."""
        sides = dict(zip(self.series.axes, self.series.shape, strict=True))
        return sides["X"], sides["Y"]

    @property
    def channels(self) -> int:
        """As read: what Pillow knows as a palette, CMYK or the like becomes RGB."""
        return CONVERTED.get(self._kind, self._stored_channels) if self.plain else self._stored_channels

    @property
    def _stored_channels(self) -> int:
        return _product(side for axis, side in zip(self.series.axes, self.series.shape, strict=True) if axis in "CS")

    @property
    def _kind(self) -> tuple[int, int]:
        """Photometric interpretation and samples of a pixel."""
        return int(self.first.photometric), self.first.samplesperpixel

    @property
    def dtype(self) -> np.dtype:
        """As read, in the order of bytes of this machine; fewer than 8 bits become 8."""
        return np.dtype(np.uint8) if self.plain else np.dtype(self.first.dtype).newbyteorder("=")

    @property
    def orientation(self) -> int:
        """1 to 8, as in EXIF."""
        tag = self.first.tags.get(274)
        return int(tag.value) if tag else 1

    @property
    def plain(self) -> bool:
        """Whether Pillow knows its colours and how they are packed."""
        first, file = self.first, self.first.parent
        known = self._kind in PLAIN and (self.alpha or self._kind not in ((1, 2), (2, 4)))
        packed = int(first.compression) in PACKED and not (file.is_bigtiff and file.byteorder == ">")
        return (known and packed and first.bitspersample <= 8 and first.sampleformat == 1 and first.imagedepth == 1
                and self._stored_channels == first.samplesperpixel)

    @property
    def alpha(self) -> bool:
        """Whether the last channel says how opaque a pixel is."""
        first = self.first
        return (first.samplesperpixel in (2, 4) and first.extrasamples[-1:] in ALPHA
                and self._stored_channels == first.samplesperpixel)


def find_picture(file: tifffile.TiffFile, page: int) -> StoredPicture:
    """The page, from 1, of an open file; ValueError when there are fewer.

    Pages are counted through all series but those of thumbnails, overviews and masks.
    """
    shown = [series for series in file.series
             if {"X", "Y"} <= set(series.axes) and not (series.keyframe.is_reduced or series.keyframe.is_mask)]
    counts = [_product(side for _, side in _others(series)) for series in shown]
    number = page - 1
    for series, count in zip(shown, counts, strict=True):
        if number < count:
            return StoredPicture(series, number, sum(counts))
        number -= count
    raise ValueError(f"it has {sum(counts)} pages, page {page} was asked for")


def _others(series: tifffile.TiffPageSeries) -> list[tuple[int, int]]:
    """The axes that are neither space nor channels, with their lengths: each of their places is a page."""
    return [(place, side) for place, (axis, side) in enumerate(zip(series.axes, series.shape, strict=True))
            if axis not in "YXCS"]


def places(found: StoredPicture) -> dict[int, int]:
    """The place of the page on each axis that is neither space nor channels."""
    others = _others(found.series)
    where = np.unravel_index(found.number, [side for _, side in others]) if others else ()
    return {axis: int(place) for (axis, _), place in zip(others, where, strict=True)}


def stored_pages(found: StoredPicture) -> tuple[list[Any], int]:
    """The pages of the file that hold the channels of this one, and how many axes of the series lie between pages."""
    series = found.series
    between = len(series.shape)
    while between and _product(iter(series.shape[:between])) != len(series):
        between -= 1
    if not between and len(series) > 1:
        raise ValueError(f"its {len(series)} pages do not make up an array of {series.shape}")
    where = places(found)
    grid = np.arange(len(series)).reshape(series.shape[:between])
    chosen = grid[tuple(where.get(axis, slice(None)) for axis in range(between))]
    pages = [series[int(number)] for number in np.ravel(chosen)]
    if any(page is None for page in pages):
        raise ValueError("one of its pages is missing")
    return pages, between


def frame(found: StoredPicture) -> int:
    """The number, from 1, by which Pillow knows the page."""
    pages, _ = stored_pages(found)
    return int(pages[0].index) + 1


def page_in_parts(file: tifffile.TiffFile, page: int) -> tifffile.TiffPage | None:
    """The page of an open file that alone holds a picture, upright, all channels, whose parts decode to its values.

    None where the picture is made up of several pages, or where colours or directions are to be converted.
    """
    found = find_picture(file, page)
    try:
        pages, between = stored_pages(found)
    except ValueError:  # pages that share one description
        return None
    if len(pages) != 1 or any(axis >= between for axis in places(found)):
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
