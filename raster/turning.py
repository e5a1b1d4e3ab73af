"""Arrays turned upright, by the orientation that EXIF and TIFF files give."""
import numpy as np

from raster.picture import Size


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) as stored to upright. orientation: 1 to 8, of EXIF or a TIFF's tag 274; others are taken for 1."""
    if orientation in (3, 4, 6, 7):
        values = values[::-1]
    if orientation in (2, 3, 7, 8):
        values = values[:, ::-1]
    return values.transpose(1, 0, 2) if lies(orientation) else values


def turned_size(size: Size, orientation: int) -> Size:
    """(width, height) as stored to upright."""
    return size[::-1] if lies(orientation) else size


def lies(orientation: int) -> bool:
    """Whether the stored picture lies on its side."""
    return orientation in (5, 6, 7, 8)
