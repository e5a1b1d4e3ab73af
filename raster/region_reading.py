"""Parts of pictures larger than memory, read from their files.

Those of a compressed or tiled TIFF are decoded segment by segment, of which the last ones are kept.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from itertools import product
from math import inf, prod
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import tifffile

from raster.bad_image import MAX_PIXELS, BadImage
from raster.names import split_page
from raster.picture import Header, Picture
from raster.reading import read_header, read_picture
from raster.rows import Rows, npy_header
from raster.tiff_pages import page_in_parts
from shards.member import split_member
from util.errors import UserError

BLOCK = 1024  # pixels: side of what is read at once where a whole picture is looked through
KEPT = 1 << 28  # bytes of decoded segments: a quarter of a gigabyte
LARGEST_SEGMENT = 1 << 30  # bytes: a picture that was compressed in one piece is no use in parts


class RegionReader(ABC):
    """The values of a picture, read in parts. As a context it is closed at the end."""

    def __init__(self, header: Header):
        self.size, self.channels, self.dtype = header.size, header.channels, header.dtype
        self.origin, self.no_data = header.origin, header.no_data

    @abstractmethod
    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """The values (height, width, C) of a part that lies within the picture."""

    def bounds(self) -> tuple[float, float] | None:
        """The smallest and the largest value that is finite and holds data, opacity aside; None: there is none.

        Reads the whole picture, block by block.
        """
        low, high = np.inf, -np.inf
        for top in range(0, self.size[1], BLOCK):
            for left in range(0, self.size[0], BLOCK):
                values = self.read(top, left, min(BLOCK, self.size[1] - top), min(BLOCK, self.size[0] - left))
                values = values[..., :-1] if self.origin.alpha else values
                kept = values[np.isfinite(values) & (values != self.no_data)]  # None differs from all values
                if kept.size:
                    low, high = min(low, float(kept.min())), max(high, float(kept.max()))
        return (low, high) if low <= high else None

    def close(self) -> None:  # noqa: B027  what lies in memory has nothing to close
        """Nothing will be read any more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        self.close()


def open_region_reader(path: Path, max_pixels: float = MAX_PIXELS) -> RegionReader:
    """A reader of a file's values; the page of a path such as scan.p2.tif, else the first.

    TIFF (strips, tiles, compressed or not, BigTIFF) and .npy are read in parts, so that max_pixels does not concern
    them; any other file, and each in a shard, is read whole. Raises BadImage or UserError as `read_picture` does.
    """
    header, (file, page) = read_header(path, inf), split_page(path)
    if split_member(file):
        return _Whole(header, read_picture(path, max_pixels))
    if header.origin.format == "TIFF" and (reader := _open_tiff(file, page, header)):
        return reader
    if header.origin.format == "NPY" and (rows := _open_npy(file, header)):
        return _Plain(header, rows)
    return _Whole(header, read_picture(path, max_pixels))


class _Plain(RegionReader):
    """A file whose values lie there uncompressed."""

    def __init__(self, header: Header, rows: Rows):
        super().__init__(header)
        self.rows = rows

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self.rows.read(top, left, height, width)

    def close(self) -> None:
        self.rows.close()


class _Whole(RegionReader):
    """A picture in memory."""

    def __init__(self, header: Header, picture: Picture):
        super().__init__(header)
        self.values = picture.values

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self.values[top:top + height, left:left + width]


def _open_npy(path: Path, header: Header) -> Rows | None:
    """The values of an array (H, W), (H, W, C) or (C, H, W); None where they lie otherwise."""
    shape, by_columns, dtype, offset = npy_header(path)
    (width, height), channels = header.size, header.channels
    if by_columns or dtype.newbyteorder("=") != header.dtype:
        return None
    if shape in ((height, width), (height, width, channels)):
        return Rows(path, offset, 1, header.size, channels, dtype)
    return Rows(path, offset, channels, header.size, 1, dtype) if shape == (channels, height, width) else None


def _open_tiff(path: Path, number: int, header: Header) -> RegionReader | None:
    """The values of a page; None where they cannot be had in parts."""
    tiff = tifffile.TiffFile(path, _multifile=False)
    page = page_in_parts(tiff, number)
    if page and not page.is_contiguous:
        return _Segments(header, tiff, page)
    tiff.close()
    if page is None:
        return None
    planes = page.samplesperpixel if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else 1
    rows = Rows(path, page.dataoffsets[0], planes, header.size, header.channels // planes,
                header.dtype.newbyteorder(tiff.byteorder))
    return _Plain(header, rows)


class _Segments(RegionReader):
    """The page of a TIFF in tiles or strips, which are decoded one by one; the last ones are kept."""

    def __init__(self, header: Header, tiff: tifffile.TiffFile, page: tifffile.TiffPage):
        super().__init__(header)
        self.tiff, self.page = tiff, page
        width, height = self.size
        self.step = ((page.tilelength, page.tilewidth) if page.is_tiled else
                     (min(page.rowsperstrip or height, height), width))
        self.grid = (-(-height // self.step[0]), -(-width // self.step[1]))
        self.planes = self.channels if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else 1
        self.bytes = prod(self.step) * self.channels // self.planes * self.dtype.itemsize  # of a segment
        if self.bytes > LARGEST_SEGMENT:
            tiff.close()
            raise UserError(f"{tiff.filehandle.path} was compressed in pieces of {self.step[1]}x{self.step[0]} pixels, "
                            "each of which would have to be in memory as a whole; save it in tiles, such as with: "
                            "gdal_translate -co TILED=YES -co BIGTIFF=YES IN OUT")
        self.kept: OrderedDict[int, np.ndarray | None] = OrderedDict()

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """The values (height, width, C) of a box of pixels, from the segments that share pixels with it."""
        values = np.zeros((height, width, self.channels), self.dtype)  # a segment that is not stored is zero
        each = self.channels // self.planes
        rows, columns = (range(begin // step, -(-(begin + length) // step)) for begin, length, step in
                         ((top, height, self.step[0]), (left, width, self.step[1])))
        for plane, row, column in product(range(self.planes), rows, columns):
            segment = self._segment((plane * self.grid[0] + row) * self.grid[1] + column)
            if segment is not None:
                (up, here_up), (down, _) = _shared(row * self.step[0], segment.shape[0], top, height)
                (start, here_start), (end, _) = _shared(column * self.step[1], segment.shape[1], left, width)
                values[here_up:here_up + down - up, here_start:here_start + end - start,
                       plane * each:(plane + 1) * each] = segment[up:down, start:end]
        return values

    def _segment(self, index: int) -> np.ndarray | None:
        """The values (H, W, channels of a plane) of a segment; None where it is not stored."""
        if index not in self.kept:
            while self.kept and (len(self.kept) + 1) * self.bytes > KEPT:
                self.kept.popitem(last=False)
            self.kept[index] = self._decoded(index)
        self.kept.move_to_end(index)
        return self.kept[index]

    def _decoded(self, index: int) -> np.ndarray | None:
        count = self.page.databytecounts[index]
        if not count:
            return None
        self.tiff.filehandle.seek(self.page.dataoffsets[index])
        data = self.tiff.filehandle.read(count)
        try:
            values = self.page.decode(data, index, jpegtables=self.page.jpegtables)[0]
        except Exception as error:  # what codecs raise for damaged data is theirs to choose
            missing = "; pip install .[formats]" if "imagecodecs" in str(error) else ""
            raise BadImage(Path(self.tiff.filehandle.path), f"part {index + 1} of {len(self.page.dataoffsets)}: {error}"
                           f"{missing}") from None
        return None if values is None else values[0]

    def close(self) -> None:
        self.tiff.close()


def _shared(begin: int, length: int, asked: int, count: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """What two stretches of a line share: its first place and its end, each as counted in the one and in the other."""
    first, end = max(begin, asked), min(begin + length, asked + count)
    return (first - begin, first - asked), (end - begin, end - asked)
