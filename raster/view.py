"""Pictures of any type and with any number of channels as 8-bit gray or colour, to be looked at."""
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from raster.bad_image import MAX_PIXELS
from raster.picture import Picture
from raster.pillow_files import MODES, header_of, open_image, upright
from raster.reading import decoded_by_pillow, read_picture, with_channels
from raster.value_range import BYTES, ValueRange, suggested


def read_image(path: Path, channels: int, value_range: ValueRange | None = None, max_pixels: float = MAX_PIXELS
               ) -> Image.Image:
    """The picture in a file of any format as 8-bit gray (channels=1) or RGB (3), upright; of several pages the first.

    Transparent pixels are laid over white; palettes, CMYK and gray are converted. Other values than those of 8 bits
    are shown as `byte_view` does. value_range: which are black and white; None: what suits the file by itself.
    Raises BadImage, naming the file, when it cannot be read or has more than max_pixels.
    """
    if decoded_by_pillow(path):
        with open_image(path, max_pixels) as image:
            if header_of(image).dtype == np.uint8:
                return upright(image, channels)
    picture = read_picture(path, max_pixels)
    return Image.fromarray(byte_view(picture, value_range or own_range(picture))).convert(MODES[channels])


def byte_view(picture: Picture, value_range: ValueRange) -> np.ndarray:
    """uint8 (H, W, 3): the values low..high of the range as 0..255. Pixels without data are white, as on pages.

    RGB is shown as it is, what is transparent over white, one channel in gray; of two channels the first, of more the
    first three.
    """
    void = picture.void()
    shown = _shown(picture)
    if value_range == replace(BYTES, dtype=value_range.dtype) and shown.dtype == np.uint8:
        view = shown.copy()
    else:
        unit = value_range.to_unit(shown)
        view = np.rint((np.nan_to_num(unit, nan=-1) + 1) * np.float32(127.5)).astype(np.uint8)
    if void is not None:
        view[void] = 255
    return view if view.shape[2] == 3 else view.repeat(3, axis=2)


def own_range(picture: Picture) -> ValueRange:
    """The range that suits the picture by itself: as for a set of pictures, were it the only one."""
    values = known_values(picture)
    ends = (values.min().item(), values.max().item()) if values.size else (None, None)
    return suggested(values.dtype, *ends)


def known_values(picture: Picture) -> np.ndarray:
    """The values that are finite and hold data, opacity aside, (N,)."""
    values, void = picture.values[..., :-1] if picture.origin.alpha else picture.values, picture.void()
    values = (values if void is None else values[~void]).reshape(-1)
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values


def _shown(picture: Picture) -> np.ndarray:
    """(H, W, 1) or (H, W, 3) of the picture's values."""
    count = picture.values.shape[2]
    if picture.origin.alpha:
        return with_channels(picture, count - 1, Path()).values
    return picture.values[..., :3 if count >= 3 else 1]
