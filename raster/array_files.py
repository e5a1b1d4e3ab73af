"""numpy's files. (H, W) is gray; of three axes the last are the channels where it is at most 4 long or not longer than
the first, else the first; four axes are pages of these. Several arrays of an .npz are its pages, in their order.

Nothing is unpickled.
"""
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy

from raster.bad_image import MAX_PIXELS, naming, require_pixels
from raster.picture import Header, Origin, Picture
from shards.member import mapped, open_file, source, status

CHANNELS_AT_MOST = 4


class _Array(NamedTuple):
    """An array of a file, by its header."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    offset: int  # bytes of the header
    member: str | None = None  # of an archive

    @property
    def paged(self) -> bool:
        return len(self.shape) == 4

    @property
    def pages(self) -> int:
        return self.shape[0] if self.paged else 1

    @property
    def page_shape(self) -> tuple[int, ...]:
        return self.shape[1:] if self.paged else self.shape


def read_header(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Header:
    """What the headers in the file say. Raises BadImage."""
    with naming(path, Exception):
        array, _, pages = _find(path, page, max_pixels)
        height, width, channels = _as_picture(array.page_shape)
        return Header((width, height), channels, _dtype(array), pages, _origin(path))


def read_picture(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Picture:
    """The array as a picture; truth values become 0 and 255. Raises BadImage."""
    with naming(path, Exception):
        array, number, _ = _find(path, page, max_pixels)
        values = _turned(_load(path, array, number))
        if values.dtype == bool:
            values = values.view(np.uint8) * np.uint8(255)
        return Picture(np.array(values, _dtype(array), order="C"), _origin(path))


def values_of(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Iterator[np.ndarray]:
    """All values, in arrays of any shape; of a large .npy a part at a time. Raises BadImage."""
    with naming(path, Exception):
        array, number, _ = _find(path, page, max_pixels)
        if array.member or array.dtype == bool:
            yield read_picture(path, page, max_pixels).values
        else:
            values = _load(path, array, number)
            yield from (np.asarray(part) for part in (values.T if array.fortran else values))


def _find(path: Path, page: int, max_pixels: float) -> tuple[_Array, int, int]:
    """The array that holds the page, the page's number in it from 0, and how many pages the file has."""
    arrays = _arrays(path)
    pages, number = sum(array.pages for array in arrays), page - 1
    for array in arrays:
        if number < array.pages:
            height, width, channels = _as_picture(array.page_shape)
            require_pixels((width, height), channels * array.dtype.itemsize, max_pixels)
            return array, number, pages
        number -= array.pages
    raise ValueError(f"it has {pages} pages, page {page} was asked for")


def _arrays(path: Path) -> list[_Array]:
    """What the headers say of each array in the file."""
    with open_file(path) as file:
        if file.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
            file.seek(0)
            return [_header(file, status(path).size)]
    if not zipfile.is_zipfile(source(path)):
        raise ValueError("it is no array of numpy, or its header is damaged")
    found = []
    with zipfile.ZipFile(source(path)) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".npy"):
                with archive.open(entry) as member:
                    found.append(_header(member, entry.file_size)._replace(member=entry.filename))
    if not found:
        raise ValueError("there is no array in it")
    return found


def _header(file: IO[bytes], length: int) -> _Array:
    """ValueError for what is no array of numbers, or is not as long as it says."""
    version = npy.read_magic(file)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"it is of version {version} of numpy's format, expected 1 or 2")
    shape, fortran, dtype = read(file)
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise ValueError(f"its values are of type {dtype}, expected whole or floating point numbers of up to 64 bits")
    array = _Array(shape, fortran, dtype, file.tell())
    count = 1
    for side in shape:
        count *= side
    if min(shape, default=0) < 1 or array.offset + count * dtype.itemsize > length:
        raise ValueError(f"its shape is {shape}, of which the file holds {max(0, length - array.offset)} bytes")
    return array


def _load(path: Path, array: _Array, number: int) -> np.ndarray:
    """That page of the array as it is stored: mapped, or of an archive in memory."""
    order: Literal["F", "C"] = "F" if array.fortran else "C"
    if array.member is None:
        whole = mapped(path, array.dtype, array.offset, array.shape, order)
        return whole[number] if array.paged else whole
    with zipfile.ZipFile(source(path)) as archive, archive.open(array.member) as file:
        if array.paged and not array.fortran:  # of many pages only the one is kept
            size = array.dtype.itemsize * int(np.prod(array.page_shape, dtype=object))
            file.seek(array.offset + number * size)
            return np.frombuffer(_exactly(file, size), array.dtype).reshape(array.page_shape)
        file.seek(array.offset)
        size = array.dtype.itemsize * int(np.prod(array.shape, dtype=object))
        unpacked: np.ndarray = np.ndarray(array.shape, array.dtype, _exactly(file, size), order=order)
        return unpacked[number] if array.paged else unpacked


def _exactly(file: IO[bytes], size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise ValueError(f"it holds {len(content)} of {size} bytes")
    return content


def _as_picture(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(H, W, C) of an array with two or three axes."""
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if len(shape) == 3:
        return (shape[0], shape[1], shape[2]) if _channels_last(shape) else (shape[1], shape[2], shape[0])
    raise ValueError(f"its shape is {shape}, expected (H, W), (H, W, C), (C, H, W), or four axes for pages of them")


def _channels_last(shape: tuple[int, ...]) -> bool:
    return shape[2] <= max(CHANNELS_AT_MOST, shape[0])


def _turned(values: np.ndarray) -> np.ndarray:
    """As it is stored to (H, W, C)."""
    if values.ndim == 2:
        return values[:, :, None]
    return values if _channels_last(values.shape) else values.transpose(1, 2, 0)


def _dtype(array: _Array) -> np.dtype:
    return np.dtype(np.uint8) if array.dtype == bool else array.dtype.newbyteorder("=")


def _origin(path: Path) -> Origin:
    return Origin("NPZ" if path.suffix.lower() == ".npz" else "NPY")
