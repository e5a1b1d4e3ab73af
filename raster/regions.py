"""Random access to the values of pictures larger than memory: parts are read from one file and written into another.

What is mapped into memory counts as memory used; so files are read and written by position instead. Parts of a
compressed or tiled TIFF are decoded segment by segment, of which the last ones are kept.
"""
from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from math import inf, prod
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import tifffile

from raster.picture import Header, Origin, Picture, Size
from raster.reading import MAX_PIXELS, BadImage, read_header, read_picture, split_page
from raster.tiff_files import page_in_parts
from raster.writing import tiff_layout, write_picture
from util.errors import UserError
from util.files import temporary_beside

BLOCK = 1024  # pixels: side of what is read at once where a whole picture is looked through
KEPT = 1 << 28  # bytes of decoded segments: a quarter of a gigabyte
LARGEST_SEGMENT = 1 << 30  # bytes: a picture that was compressed in one piece is no use in parts
STRIP = 1 << 20  # bytes of a strip in the TIFFs that are written, so that others can read them in parts


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
    them; any other file is read whole. Raises BadImage or UserError as `read_picture` does.
    """
    header, (file, page) = read_header(path, inf), split_page(path)
    if header.origin.format == "TIFF" and (reader := _open_tiff(file, page, header)):
        return reader
    if header.origin.format == "NPY" and (rows := _open_npy(file, header)):
        return _Plain(header, rows)
    return _Whole(header, read_picture(path, max_pixels))


class _Rows:
    """Values that lie on disk uncompressed, row after row, in one plane or in one for each channel."""

    def __init__(self, path: Path, offset: int, planes: int, size: Size, channels: int, dtype: np.dtype,
                 mode: str = "r"):
        """channels: of a plane; dtype: with the order of the bytes; mode: "r+" to write too."""
        self.file = io.FileIO(path, mode)
        self.offset, self.planes, self.size, self.channels, self.dtype = offset, planes, size, channels, dtype

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """The values (height, width, planes * channels)."""
        values = np.empty((self.planes, height, width, self.channels), self.dtype)
        for at, piece in self._pieces(values, top, left):
            self.file.seek(at)
            rest = piece.reshape(-1).view(np.uint8).data
            while rest and (count := self.file.readinto(rest)):
                rest = rest[count:]
            if rest:
                raise BadImage(Path(str(self.file.name)), f"it ends before byte {at + piece.nbytes}")
        values = values.astype(self.dtype.newbyteorder("="), copy=False)
        return np.moveaxis(values, 0, 2).reshape(height, width, -1) if self.planes > 1 else values[0]

    def write(self, top: int, left: int, values: np.ndarray) -> None:
        """Values (height, width, channels) of the file's own type."""
        for at, piece in self._pieces(np.ascontiguousarray(values, self.dtype)[None], top, left):
            self.file.seek(at)
            rest = piece.reshape(-1).view(np.uint8).data
            while rest:
                rest = rest[self.file.write(rest):]

    def _pieces(self, values: np.ndarray, top: int, left: int) -> Iterator[tuple[int, np.ndarray]]:
        """Where in the file each stretch of the values (planes, height, width, channels) lies, and the stretch."""
        pixel, (width, height) = self.channels * self.dtype.itemsize, self.size
        whole = values.shape[2] == width  # the rows of a part as wide as the picture follow each other
        for number, plane in enumerate(values):
            for row, piece in [(0, plane)] if whole else enumerate(plane):
                yield self.offset + ((number * height + top + row) * width + left) * pixel, piece

    def close(self) -> None:
        """Nothing will be read or written any more."""
        self.file.close()


class _Plain(RegionReader):
    """A file whose values lie there uncompressed."""

    def __init__(self, header: Header, rows: _Rows):
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


def _open_npy(path: Path, header: Header) -> _Rows | None:
    """The values of an array (H, W), (H, W, C) or (C, H, W); None where they lie otherwise."""
    shape, by_columns, dtype, offset = _npy_header(path)
    (width, height), channels = header.size, header.channels
    if by_columns or dtype.newbyteorder("=") != header.dtype:
        return None
    if shape in ((height, width), (height, width, channels)):
        return _Rows(path, offset, 1, header.size, channels, dtype)
    return _Rows(path, offset, channels, header.size, 1, dtype) if shape == (channels, height, width) else None


def _npy_header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """(shape, whether columns follow each other instead of rows, type, where the values begin)."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return *read(file), file.tell()


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
    rows = _Rows(path, page.dataoffsets[0], planes, header.size, header.channels // planes,
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
        values = np.zeros((height, width, self.channels), self.dtype)  # a segment that is not stored is zero
        each = self.channels // self.planes
        for plane in range(self.planes):
            for row in range(top // self.step[0], -(-(top + height) // self.step[0])):
                for column in range(left // self.step[1], -(-(left + width) // self.step[1])):
                    segment = self._segment((plane * self.grid[0] + row) * self.grid[1] + column)
                    if segment is None:
                        continue
                    begin = (row * self.step[0], column * self.step[1])
                    (up, here_up), (down, _) = _shared(begin[0], segment.shape[0], top, height)
                    (start, here_start), (end, _) = _shared(begin[1], segment.shape[1], left, width)
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


class RegionWriter:
    """A picture that is written in parts, under another name until `close`, which a killed process leaves behind.

    found: whether the file that is written into was left behind by an earlier process.
    """

    def __init__(self, path: Path, partial: Path, rows: _Rows, found: bool):
        self.path, self.partial, self.rows, self.found = path, partial, rows, found

    def write(self, top: int, left: int, values: np.ndarray) -> None:
        """Write values (h, w, C) of the file's type at their place."""
        self.rows.write(top, left, values)

    def leave(self) -> None:
        """Close the unfinished file, which the next writer of the same picture goes on with."""
        self.rows.close()

    def close(self) -> None:
        """The picture is complete: give it its name."""
        os.fsync(self.rows.file.fileno())
        self.rows.close()
        os.replace(self.partial, self.path)


class _ConvertingWriter(RegionWriter):
    """A picture of a format that is written as a whole: collected in an array on disk, and converted at the end."""

    def __init__(self, path: Path, partial: Path, rows: _Rows, found: bool, origin: Origin, no_data: float | None):
        super().__init__(path, partial, rows, found)
        self.origin, self.no_data = origin, no_data

    def close(self) -> None:
        width, height = self.rows.size
        write_picture(self.path, Picture(self.rows.read(0, 0, height, width), self.origin, self.no_data))
        self.rows.close()
        self.partial.unlink()


def partial_of(path: Path) -> Path:
    """Where a picture lies while it is not complete."""
    return path.with_name(f".{path.name}.part")


def open_region_writer(path: Path, size: Size, channels: int, dtype: np.dtype, origin: Origin,
                       no_data: float | None = None) -> RegionWriter:
    """A writer of a picture of `size` (width, height); goes on with the unfinished file of the same shape, if there is
    one.

    .tif and .npy are written in place, with the resolution and the geo tags of the origin in a TIFF, which is a BigTIFF
    where it is large; what has another ending is collected on disk and, at `close`, in memory. Raises OSError.
    """
    partial, dtype = partial_of(path), np.dtype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    tiff = path.suffix.lower() in (".tif", ".tiff")
    shape = (size[1], size[0], channels)
    found = partial.exists() and _fits(partial, tiff, shape, dtype)
    if not found:
        begun = temporary_beside(path)
        try:
            (_begin_tiff if tiff else _begin_npy)(begun, shape, dtype, origin, no_data)
            os.replace(begun, partial)
        finally:
            begun.unlink(missing_ok=True)
    rows = _Rows(partial, _layout(partial, tiff)[2], 1, size, channels, dtype, "r+")
    if tiff or path.suffix.lower() == ".npy":
        return RegionWriter(path, partial, rows, found)
    return _ConvertingWriter(path, partial, rows, found, origin, no_data)


def _fits(partial: Path, tiff: bool, shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether an unfinished file is a whole one of that shape and type."""
    try:
        *found, offset = _layout(partial, tiff)
    except Exception:  # what its readers raise for a damaged header is theirs to choose
        return False
    return found == [shape, dtype] and partial.stat().st_size >= offset + prod(shape) * dtype.itemsize


def _layout(partial: Path, tiff: bool) -> tuple[tuple[int, ...], np.dtype | None, int]:
    """((H, W, C), type, where the values begin) of an unfinished file."""
    if not tiff:
        shape, _, dtype, offset = _npy_header(partial)
        return (*shape, 1)[:3], dtype, offset
    with tifffile.TiffFile(partial) as file:
        page = file.pages.first
        return (page.imagelength, page.imagewidth, page.samplesperpixel), page.dtype, page.dataoffsets[0]


def _begin_tiff(path: Path, shape: tuple[int, int, int], dtype: np.dtype, origin: Origin, no_data: float | None
                ) -> None:
    height, width, channels = shape
    row = width * channels * dtype.itemsize
    tifffile.imwrite(path, shape=shape if channels > 1 else shape[:2], dtype=dtype, byteorder="<",
                     bigtiff=height * row > 1 << 31, rowsperstrip=max(1, STRIP // row),
                     **tiff_layout(channels, dtype, origin, no_data))


def _begin_npy(path: Path, shape: tuple[int, int, int], dtype: np.dtype, origin: Origin, no_data: float | None) -> None:
    kept = shape if shape[2] > 1 else shape[:2]
    with path.open("xb") as file:
        np.lib.format.write_array_header_2_0(
            file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": kept})
        file.truncate(file.tell() + prod(shape) * dtype.itemsize)
