"""From what a network answers to a picture that is like the file it was made from: type, range, place, no-data."""
from dataclasses import replace

import numpy as np

from raster.picture import Header, Origin, Picture
from raster.value_range import ValueRange


def range_of_results(asked: str, own: ValueRange, flag: str) -> ValueRange:
    """The values that -1 and 1 become in a file, with its type.

    asked: by --input_range or --output_range, such as 'uint16:0,4095' or '0,4095'; own: the range by which the file
    was read that the picture is made from, used where `asked` names no range ('', 'auto', 'percentile:1,99'). A range
    without a type has that of `own`, if it holds both ends, else float32. UserError, with the flag, as `parse`.
    """
    if "," not in asked or asked.startswith("percentile"):
        return own
    wanted = ValueRange.parse(asked, flag)
    if wanted.dtype:
        return wanted
    fits = own.dtype and all(can_hold(np.dtype(own.dtype), end) for end in (wanted.low, wanted.high))
    return replace(wanted, dtype=own.dtype if fits else "float32")


def can_hold(dtype: np.dtype, value: float) -> bool:
    """Whether `value` is one of the type's."""
    if not np.issubdtype(dtype, np.integer):
        return True
    kind = np.iinfo(dtype)
    return bool(np.isfinite(value)) and float(value).is_integer() and kind.min <= value <= kind.max


def native(unit: np.ndarray, values_in: ValueRange, source: Header, void: np.ndarray | None = None) -> Picture:
    """What a network answers as a picture like those of its domain.

    unit: (C, H, W) in [-1, 1]; values_in: of the domain, with a type; source: of the file that it was made from;
    void: (H, W) or (1, H, W), bool, the pixels of that file that hold no data.
    Resolution and what a TIFF says of its place on the earth, or NIfTI of its place in the body, are kept if the
    picture has the size of the source. Pixels without data have the source's no-data value; where the type cannot hold
    that, the smallest of a whole type, NaN of a float. Others never have it: they become its neighbour.
    """
    answer = np.moveaxis(np.asarray(unit, np.float32), 0, 2)
    dtype = np.dtype(values_in.dtype)
    if np.issubdtype(dtype, np.integer):
        answer = np.nan_to_num(answer, nan=-1)
    values = values_in.from_unit(answer, dtype)
    empty = np.zeros(values.shape[:2], bool) if void is None else np.asarray(void).reshape(values.shape[:2])
    no_data = kept_no_data(dtype, source.no_data, bool(empty.any()))
    if no_data is not None:
        values = np.where(values == no_data, _neighbour(no_data, values_in, dtype), values)
    values[empty] = np.nan if no_data is None and empty.any() else no_data or 0
    height, width, channels = values.shape
    return Picture(values, kept_origin(source, (width, height), channels), no_data)


def kept_no_data(dtype: np.dtype, declared: float | None, needed: bool = False) -> float | None:
    """The value of pixels without data, None for NaN or where there are none."""
    whole = np.issubdtype(dtype, np.integer)
    if declared is not None and can_hold(dtype, declared):
        return None if np.isnan(declared) else float(dtype.type(declared))
    return float(np.iinfo(dtype).min) if needed and whole else None


def _neighbour(value: float, values_in: ValueRange, dtype: np.dtype) -> np.generic:
    """The nearest value of the type, towards the middle of the range."""
    up = value < (values_in.low + values_in.high) / 2
    if np.issubdtype(dtype, np.integer):
        kind = np.iinfo(dtype)
        return dtype.type(int(value) + (1 if kind.min == value or (up and value < kind.max) else -1))
    return np.nextafter(dtype.type(value), dtype.type(np.inf if up else -np.inf))


def kept_origin(source: Header, size: tuple[int, int], channels: int) -> Origin:
    """What stays of what the source's file knows."""
    alpha = source.origin.alpha and channels == source.channels
    return replace(source.origin, alpha=alpha) if size == source.size else Origin(source.origin.format, alpha=alpha)
