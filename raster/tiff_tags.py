"""What a TIFF says of a picture beside its values: its place, its resolution, its no-data value; read and written."""
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from raster.picture import Origin
from raster.tiff_pages import StoredPicture
from raster.turning import lies

GEO_TAGS = {33550: "d", 33922: "d", 34264: "d", 34735: "H", 34736: "d", 34737: "s"}
"""Of its place on the earth (GeoTIFF 1.1, annex F), with the types."""
NO_DATA_TAG = 42113  # GDAL's, a number as text
INCHES = {"inch": 1.0, "cm": 2.54, "mm": 25.4, "micron": 25400.0, "um": 25400.0, "µm": 25400.0, "\\u00B5m": 25400.0,
          "nm": 25_400_000.0}  # how many of them an inch is
PHOTOMETRIC_RGB = ("uint8", "uint16")  # three channels of these types are red, green and blue


def origin_of(found: StoredPicture) -> Origin:
    """What is kept of the file beside values and no-data value. What is turned loses its place on the earth."""
    stored = found.first.tags
    tags = {number: stored[number].value for number in GEO_TAGS if number in stored} if found.orientation == 1 else {}
    return Origin("TIFF", _resolution(found), MappingProxyType(tags), found.alpha)


def no_data_of(found: StoredPicture) -> float | None:
    """The value of pixels without data, where the file names one that its type can hold; NaN goes without saying."""
    tag = found.first.tags.get(NO_DATA_TAG)
    if tag is None or int(found.first.photometric) == 3:  # the colours of a palette are not the values it means
        return None
    try:
        value = float(str(tag.value).strip("\0 "))
    except ValueError:
        return None
    kind = found.dtype
    if kind.kind == "f":
        value = float(kind.type(value))
        return None if np.isnan(value) else value
    whole = np.iinfo(kind)
    return value if value.is_integer() and whole.min <= value <= whole.max else None


def _resolution(found: StoredPicture) -> tuple[float, float] | None:
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


def tiff_layout(channels: int, dtype: np.dtype, origin: Origin, no_data: float | None) -> dict[str, Any]:
    """What tifffile is told of a picture beside its values: colours, resolution, geo tags, no-data value."""
    layout: dict[str, Any] = {"photometric": "minisblack"}
    if channels > 1:
        layout |= {"planarconfig": "contig", "extrasamples": ["unspecified"] * (channels - 1)}
    if channels == 3 and dtype.name in PHOTOMETRIC_RGB:
        layout |= {"photometric": "rgb", "extrasamples": None}
    elif origin.alpha and channels in (2, 4):
        layout |= {"photometric": "rgb" if channels == 4 else "minisblack", "extrasamples": ["unassalpha"]}
    if origin.resolution:
        layout |= {"resolution": origin.resolution, "resolutionunit": "INCH"}
    return {**layout, "metadata": None, "software": False, "extratags": list(_tiff_tags(origin, no_data))}


def _tiff_tags(origin: Origin, no_data: float | None) -> Iterator[tuple[int, str, int, Any, bool]]:
    """The geo tags and the no-data value as tifffile takes them: number, type, how many, values, on the first page."""
    for number, kind in GEO_TAGS.items():
        if number in origin.tags:
            held = origin.tags[number]
            held = str(held).encode() if kind == "s" else tuple(np.ravel(held).tolist())
            yield number, kind, 0 if kind == "s" else len(held), held, True
    if no_data is not None:
        yield NO_DATA_TAG, "s", 0, f"{no_data:.17g}", True
