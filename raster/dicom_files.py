"""DICOM files, read with pydicom; their frames are the pages.

Values are those after the modality's table, or its slope and intercept, of the file or of the frame: Hounsfield units
in a CT. Pixels with the padding value hold no data. Palettes become RGB. Window, overlays and MONOCHROME1 are matters
of showing: not applied.
"""
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from raster.bad_image import MAX_PIXELS, naming, require_pixels
from raster.extra import library
from raster.picture import Header, Origin, Picture
from shards.member import source
from util.errors import UserError

INCH = 25.4  # mm


class _Frames(NamedTuple):
    """What a file says of all its frames."""

    data: Any  # pydicom's dataset, without pixels
    stored: np.dtype
    channels: int
    palette: bool
    pages: int
    page: int

    @property
    def scale(self) -> tuple[float, float]:
        """Slope and intercept."""
        told = self.of_frame("PixelValueTransformationSequence")
        return float(told.get("RescaleSlope", None) or 1), float(told.get("RescaleIntercept", None) or 0)

    def of_frame(self, sequence: str) -> Any:
        """Where a matter stands: with many frames in a sequence of the frame or of all (DICOM PS3.3, C.7.6.16), else in
        the file itself."""
        own = self.data.get("PerFrameFunctionalGroupsSequence") or []
        for groups in (*own[self.page - 1:self.page], *(self.data.get("SharedFunctionalGroupsSequence") or [])):
            if groups.get(sequence):
                return groups.get(sequence)[0]
        return self.data

    @property
    def table(self) -> bool:
        return bool(self.data.get("ModalityLUTSequence"))

    @property
    def size(self) -> tuple[int, int]:
        return int(self.data.Columns), int(self.data.Rows)


def read_header(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Header:
    """What stands before the pixels. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        return Header(found.size, found.channels, _dtype(found), found.pages, _origin(found), _no_data(found))


def read_picture(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Picture:
    """A frame, with the modality's values. Raises BadImage."""
    with _open(path, page, max_pixels) as found:
        pixels = library("pydicom.pixels", path)
        with _codecs(path):
            stored = pixels.pixel_array(source(path), index=page - 1)
        values, dtype = _values(found, stored, pixels), _dtype(found)
        padding, no_data = _padding(found), _no_data(found)
        if padding is not None and no_data is not None:
            values = np.where((stored >= padding[0]) & (stored <= padding[1]), no_data, values)
        if dtype.kind in "ui":
            kind = np.iinfo(dtype)
            values = values.clip(kind.min, kind.max)
        width, height = found.size
        return Picture(np.ascontiguousarray(values, dtype).reshape(height, width, found.channels), _origin(found),
                       no_data)


def values_of(path: Path, page: int = 1, max_pixels: float = MAX_PIXELS) -> Iterator[np.ndarray]:
    """All values, in arrays of any shape; here a single one."""
    yield read_picture(path, page, max_pixels).values


@contextmanager
def _open(path: Path, page: int, max_pixels: float) -> Iterator[_Frames]:
    pydicom = library("pydicom", path)
    with naming(path, Exception):
        data = pydicom.dcmread(source(path), stop_before_pixels=True)
        if "Rows" not in data or "Columns" not in data:
            raise ValueError("it is a DICOM file without a picture")
        pages = int(data.get("NumberOfFrames", None) or 1)
        if page > pages:
            raise ValueError(f"it has {pages} frames, page {page} was asked for")
        palette = data.PhotometricInterpretation == "PALETTE COLOR"
        channels = 3 if palette else int(data.get("SamplesPerPixel", 1))
        found = _Frames(data, _stored_type(data), channels, palette, pages, page)
        require_pixels(found.size, channels * max(found.stored.itemsize, _dtype(found).itemsize), max_pixels)
        yield found


@contextmanager
def _codecs(path: Path) -> Iterator[None]:
    """UserError for pixels packed in a way that needs further libraries."""
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if "missing dependencies" not in str(error):
            raise
        raise UserError(f"{path}: {error}; install what it names, or save the file uncompressed") from None


def _stored_type(data: Any) -> np.dtype:
    bits = int(data.BitsAllocated)
    if "PixelRepresentation" not in data and bits in (32, 64):  # only floating point pixels have none
        return np.dtype(f"f{bits // 8}")
    return np.dtype(f"{'i' if int(data.get('PixelRepresentation', 0)) else 'u'}{max(1, bits // 8)}")


def _values(found: _Frames, stored: np.ndarray, pixels: Any) -> np.ndarray:
    """What is stored, after palette or modality."""
    data = found.data
    if found.palette:
        return pixels.apply_color_lut(stored, data)
    if found.table:
        return pixels.apply_modality_lut(stored, data)
    if int(data.BitsAllocated) == 1:
        return stored * np.uint8(255)
    slope, intercept = found.scale
    return stored if (slope, intercept) == (1, 0) else stored.astype(np.float64) * slope + intercept


def _dtype(found: _Frames) -> np.dtype:
    """The type that holds all values which the bits of the file can mean."""
    data, (slope, intercept) = found.data, found.scale
    if found.palette:
        return np.dtype(np.uint16 if int(data.RedPaletteColorLookupTableDescriptor[2]) > 8 else np.uint8)
    if found.table:
        return np.dtype(np.uint16 if int(data.ModalityLUTSequence[0].LUTDescriptor[2]) > 8 else np.uint8)
    if (slope, intercept) == (1, 0) or found.stored.kind == "f":
        return found.stored
    if not (slope.is_integer() and intercept.is_integer()):
        return np.dtype(np.float32)
    levels = 1 << int(data.BitsStored)
    ends = [-levels // 2, levels // 2 - 1] if found.stored.kind == "i" else [0, levels - 1]
    values = [end * slope + intercept for end in (*ends, *(_padding(found) or ()))]
    for kind in (np.int16, np.int32):
        if np.iinfo(kind).min <= min(values) and max(values) <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.float64)


def _padding(found: _Frames) -> tuple[int, int] | None:
    """The least and the largest stored value of pixels without data."""
    if found.channels > 1 or found.stored.kind == "f" or found.table or "PixelPaddingValue" not in found.data:
        return None
    first = _whole(found, found.data.PixelPaddingValue)
    last = _whole(found, found.data.get("PixelPaddingRangeLimit", first))
    return min(first, last), max(first, last)


def _whole(found: _Frames, value: Any) -> int:
    """A value of the stored type, which files give with the wrong sign at times, or as bytes."""
    number = int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value)
    bits = found.stored.itemsize * 8
    number &= (1 << bits) - 1
    return number - (1 << bits) if found.stored.kind == "i" and number >> (bits - 1) else number


def _no_data(found: _Frames) -> float | None:
    """What pixels without data are in the picture."""
    padding = _padding(found)
    if padding is None:
        return None
    slope, intercept = found.scale
    return float(_dtype(found).type(padding[0] * slope + intercept))


def _origin(found: _Frames) -> Origin:
    measures = found.of_frame("PixelMeasuresSequence")
    spacing = measures.get("PixelSpacing") or found.data.get("ImagerPixelSpacing")  # mm down, mm across
    if not spacing or len(spacing) != 2 or not all(0 < float(side) < np.inf for side in spacing):
        return Origin("DICOM")
    return Origin("DICOM", (INCH / float(spacing[1]), INCH / float(spacing[0])))
