"""Small views of pictures larger than memory."""
from math import ceil
from pathlib import Path

import numpy as np

from raster.picture import Picture
from raster.reading import with_channels
from raster.region_reading import RegionReader
from raster.value_range import ValueRange

MOST = 2048  # pixels of a view's longer side
BLOCK = 2048  # pixels: the side of what is read at once


def reduced(reader: RegionReader, value_range: ValueRange, path: Path, channels: int) -> Picture:
    """The picture with every k x k pixels averaged, k as small as MOST allows: float32 in [-1, 1], NaN without data.

    path: of its file; channels: to show, as `with_channels` makes them of those that it has.
    What is left over at the right and at the bottom, less than k pixels, is left out.
    """
    (width, height), k = reader.size, ceil(max(reader.size) / MOST)
    view = np.empty((max(height // k, 1), max(width // k, 1), channels), np.float32)
    step = max(BLOCK // k, 1)
    for top in range(0, view.shape[0], step):
        for left in range(0, view.shape[1], step):
            cells = view[top:top + step, left:left + step]
            rows, columns = (min(k * count, side) for count, side in zip(cells.shape, (height, width), strict=False))
            part = Picture(reader.read(top * k, left * k, rows, columns), reader.origin, reader.no_data)
            part = with_channels(part, channels, path)
            cells[...] = _averaged(part, value_range, cells.shape[:2])
    return Picture(view, reader.origin)


def _averaged(part: Picture, value_range: ValueRange, cells: tuple[int, int]) -> np.ndarray:
    """(rows, columns, C) for a part whose cells are all of one size."""
    unit, void = value_range.to_unit(part.values), part.void()
    weights = np.ones(unit.shape[:2], np.float32) if void is None else (~void).astype(np.float32)
    if void is not None:
        unit[void] = 0
    rows, columns, channels = cells[0], cells[1], unit.shape[2]
    sums = unit.reshape(rows, unit.shape[0] // rows, columns, -1, channels).sum((1, 3))
    counts = weights.reshape(rows, unit.shape[0] // rows, columns, -1).sum((1, 3))
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts[:, :, None])
