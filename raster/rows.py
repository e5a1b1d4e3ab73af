"""Values that lie uncompressed on disk, read and written by position.

What is mapped into memory counts as memory used, so nothing is.
"""
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from raster.bad_image import BadImage
from raster.picture import Size


class Rows:
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


def npy_header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """(shape, whether columns follow each other instead of rows, type, where the values begin)."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return *read(file), file.tell()
