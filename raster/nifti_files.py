"""NIfTI volumes, read with nibabel. Their slices along the third axis are the pages, those of later times behind.

A slice has the first axis of the volume across and the second one down, as stored; a fifth axis are the channels. A
slope and an intercept that the file gives are applied, which makes float32.
"""
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from raster.bad_image import MAX_PIXELS, naming, require_pixels
from raster.extra import library
from raster.picture import Header, Origin, Picture
from shards.member import open_file, split_member

INCHES = {"mm": 25.4, "meter": 0.0254, "micron": 25400.0}  # how many of them an inch is
GZIP, VERSION_2 = b"\x1f\x8b", (540).to_bytes(4, "little")  # how such files begin


class _Slice(NamedTuple):
    """One page of a volume."""

    volume: Any  # of nibabel
    place: tuple[int, int]  # on the third and the fourth axis
    pages: int
    channels: int
    dtype: np.dtype  # in the picture
    colours: bool  # stored as RGB


def read_header(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Header:
    """What the header says. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        return Header(found.volume.shape[:2], found.channels, found.dtype, found.pages, _origin(found))


def read_picture(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Picture:
    """A slice, with no more of the file in memory than nibabel needs. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        volume = found.volume
        where = (slice(None), slice(None), *found.place)[:min(volume.ndim, 4)]
        values = np.asarray(volume.dataobj[where])  # (X, Y) or (X, Y, C)
        if found.colours:
            values = np.stack([values[name] for name in values.dtype.names or ()], axis=-1)
        values = values.reshape(*volume.shape[:2], found.channels).transpose(1, 0, 2)
        return Picture(np.ascontiguousarray(values, found.dtype), _origin(found))


def values_of(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Iterator[np.ndarray]:
    """All values, in arrays of any shape; here a single one."""
    yield read_picture(path, page, max_pixels).values


@contextmanager
def _open(path: Path, page: int, max_pixels: float) -> Iterator[_Slice]:
    nibabel = library("nibabel", path)
    with naming(path, Exception):
        volume = nibabel.load(path) if split_member(path) is None else _in_shard(path, nibabel)
        if not isinstance(volume, nibabel.spatialimages.SpatialImage):
            raise ValueError(f"it holds a {type(volume).__name__}, expected a volume")
        if not 2 <= len(volume.shape) <= 5:
            raise ValueError(f"its shape is {volume.shape}, expected two to five axes")
        deep, times, vectors = (*volume.shape[2:], 1, 1, 1)[:3]
        pages = deep * times
        if not 0 < page <= pages:
            raise ValueError(f"it has {pages} slices, page {page} was asked for")
        stored, colours = volume.get_data_dtype(), volume.get_data_dtype().names is not None
        if not colours and (stored.kind not in "uif" or stored.itemsize > 8):
            raise ValueError(f"its values are of type {stored}, expected numbers of up to 64 bits")
        channels = len(stored.names or ()) if colours else vectors
        slope, intercept = volume.dataobj.slope, volume.dataobj.inter
        kind = np.uint8 if colours else stored.newbyteorder("=") if (slope, intercept) == (1, 0) else np.float32
        require_pixels(volume.shape[:2], channels * np.dtype(kind).itemsize, max_pixels)
        yield _Slice(volume, ((page - 1) % deep, (page - 1) // deep), pages, channels, np.dtype(kind), colours)


def _in_shard(path: Path, nibabel: Any) -> Any:
    """The volume, of either version of the format, unpacked as far as it is read."""
    file = open_file(path)
    packed = file.read(2) == GZIP
    file.seek(0)
    stream = gzip.GzipFile(fileobj=file) if packed else file
    begin = stream.read(4)
    stream.seek(0)
    return (nibabel.Nifti2Image if VERSION_2 in (begin, begin[::-1]) else nibabel.Nifti1Image).from_stream(stream)


def _origin(found: _Slice) -> Origin:
    volume = found.volume
    affine = np.array(volume.affine, np.float64)
    affine[:3, 3] += affine[:3, 2] * found.place[0]  # where this slice lies
    inch = INCHES.get(volume.header.get_xyzt_units()[0], 25.4)
    across, down = (float(side) for side in volume.header.get_zooms()[:2])
    resolution = (inch / across, inch / down) if 0 < across < np.inf and 0 < down < np.inf else None
    return Origin("NIFTI", resolution, MappingProxyType({"affine": affine}))
