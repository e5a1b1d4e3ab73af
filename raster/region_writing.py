"""Pictures larger than memory, written part by part into a file that has its name when it is complete."""
import os
from math import prod
from pathlib import Path

import numpy as np
import tifffile

from raster.picture import Origin, Picture, Size
from raster.rows import Rows, npy_header
from raster.tiff_tags import tiff_layout
from raster.writing import write_picture
from util.files import temporary_beside

STRIP = 1 << 20  # bytes of a strip in the TIFFs that are written, so that others can read them in parts


class RegionWriter:
    """A picture that is written in parts, under another name until `close`, which a killed process leaves behind.

    found: whether the file that is written into was left behind by an earlier process.
    """

    def __init__(self, path: Path, partial: Path, rows: Rows, found: bool):
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

    def __init__(self, path: Path, partial: Path, rows: Rows, found: bool, origin: Origin, no_data: float | None):
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
    rows = Rows(partial, _layout(partial, tiff)[2], 1, size, channels, dtype, "r+")
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
        shape, _, dtype, offset = npy_header(partial)
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
