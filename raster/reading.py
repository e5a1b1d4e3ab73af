"""From a file of any format to a picture with the values and the channels that are stored in it."""
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from raster import array_files, dicom_files, nifti_files, pillow_files, tiff_files
from raster.bad_image import MAX_PIXELS, naming, require_file
from raster.names import split_page
from raster.picture import Header, Picture
from shards.member import first_bytes
from util.errors import UserError
from util.names import split_ending

BY_ENDING = {".npy": array_files, ".npz": array_files, ".dcm": dicom_files, ".nii": nifti_files,
             ".nii.gz": nifti_files}
LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601, as Pillow has it


def read_picture(path: Path, max_pixels: float = MAX_PIXELS) -> Picture:
    """The picture in a file, or in one page of it (`names.page_path`), upright, with its values as they are stored.

    Palettes, CMYK and 1 bit become gray, RGB or RGBA of 8 bits. Raises BadImage when the file cannot be read or has
    more than max_pixels, UserError when the library that reads its format is not installed.
    """
    file, page = split_page(path)
    return family(file).read_picture(file, page, max_pixels)


def read_header(path: Path, max_pixels: float = MAX_PIXELS) -> Header:
    """What `read_picture` would give, without its values: hardly any file is decoded for it. Raises as that does."""
    file, page = split_page(path)
    return family(file).read_header(file, page, max_pixels)


def decoded_by_pillow(path: Path) -> bool:
    """Whether Pillow reads a file of 8 bits, its first page that is, with the same pixels as `read_picture`."""
    file, page = split_page(path)
    kind = family(file)
    known = kind is pillow_files or (kind is tiff_files and tiff_files.is_plain(file))
    return known and page == 1 and file == path


def family(path: Path) -> ModuleType:
    """The module that reads the file: `read_header`, `read_picture` and `values_of`. Raises BadImage."""
    with naming(path, OSError, ValueError):  # ValueError: a path with a zero byte
        require_file(path)
        ending = split_ending(path.name)[1].lower()
        if ending in BY_ENDING:
            return BY_ENDING[ending]
        return tiff_files if first_bytes(path, 4) in tiff_files.MAGIC else pillow_files  # whatever its name is


def with_channels(picture: Picture, channels: int, path: Path) -> Picture:
    """The picture with that many channels; one that has them stays as it is.

    What is transparent is laid over white, gray is repeated to RGB, RGB becomes luminance; pixels without data stay
    so. UserError, naming the file, for all other numbers.
    """
    had = picture.values.shape[2]
    if had == channels:
        return picture
    void, values = picture.void(), picture.values
    if picture.origin.alpha:
        values = _over_white(values)
    if (values.shape[2], channels) == (3, 1):
        values = _luminance(values)
    elif (values.shape[2], channels) == (1, 3):
        values = values.repeat(3, axis=2)
    elif values.shape[2] != channels:
        raise UserError(f"{path} has {had} channels, expected {channels}; give --input_nc {had}, or --output_nc {had} "
                        "where it is a target")
    if void is not None:
        values = values.copy()
        values[void] = np.nan if picture.no_data is None else picture.no_data
    return Picture(values, picture.origin, picture.no_data)


def _luminance(values: np.ndarray) -> np.ndarray:
    """(H, W, 3) to (H, W, 1)."""
    if values.dtype == np.uint8:
        return np.array(Image.fromarray(values).convert("L"))[..., None]
    light = values.astype(np.float64) @ LUMA[:, None]
    return _like(light, values.dtype)


def _over_white(values: np.ndarray) -> np.ndarray:
    """(H, W, C) of which the last channel is opacity, over white, without it."""
    if values.dtype == np.uint8:
        image = Image.fromarray(values).convert("RGBA")
        flat = np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image))
        return flat[..., :values.shape[2] - 1]
    white = np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 1
    colours, opacity = values[..., :-1].astype(np.float64), values[..., -1:] / white
    return _like(colours * opacity + white * (1 - opacity), values.dtype)


def _like(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (np.rint(values) if dtype.kind in "ui" else values).astype(dtype)
