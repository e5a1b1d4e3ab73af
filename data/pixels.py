"""Pixels between the reader and the network: their size, bicubic resizing, and the tensor that they become."""
from functools import lru_cache
from typing import overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from raster.picture import Picture, Size
from raster.value_range import BYTES, ValueRange

Pixels = Image.Image | Tensor
"""Pillow's 8-bit image, gray or RGB; or a tensor (C, H, W) of any number of channels: uint8 or uint16, as in the file,
or float32 in [-1, 1], in which NaN is no data. From a cache it is always a tensor."""

SCALE = np.float32(2 / 255)


@overload
def resize(image: Image.Image, size: Size) -> Image.Image: ...
@overload
def resize(image: Tensor, size: Size) -> Tensor: ...
@overload
def resize(image: Pixels, size: Size) -> Pixels: ...
def resize(image: Pixels, size: Size) -> Pixels:
    """The image with `size` by Pillow's bicubic filter, also for a tensor: torch's is not the same to the bit.

    8 bits are computed as Pillow does, other types as float32 and uint16 then rounded; what overshoots is cut off. A
    pixel that is partly made of no data is none.
    """
    if size_of(image) == size:
        return image
    if not isinstance(image, Tensor):
        return image.resize(size, Image.Resampling.BICUBIC)
    if image.dtype == torch.uint8 and len(image) == 3:  # at once: quicker, and the same
        whole = Image.fromarray(image.cpu().permute(1, 2, 0).numpy())
        return as_bytes(whole.resize(size, Image.Resampling.BICUBIC)).to(image.device)
    return torch.stack([_resized(channel, size) for channel in image.cpu()]).to(image.device)


def _resized(channel: Tensor, size: Size) -> Tensor:
    """One channel, (H, W)."""
    values = channel.numpy()
    if channel.dtype == torch.uint16:
        values = values.astype(np.float32)
    found = torch.from_numpy(np.array(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)))
    if channel.dtype == torch.uint16:
        return found.round_().clamp_(0, 65535).to(torch.uint16)
    return found.clamp_(-1, 1) if channel.dtype == torch.float32 else found


def size_of(image: Pixels) -> Size:
    """(width, height) in pixels."""
    return (image.shape[2], image.shape[1]) if isinstance(image, Tensor) else image.size


def reflected(image: Pixels, corner: tuple[int, int], size: Size) -> Pixels:
    """The image continued to `size` by its reflection, as often as that takes; it lies with its `corner` (left, top)
    there. An edge pixel is not repeated, unless it is the only one.
    """
    columns, rows = (mirrored(length, -before, whole)
                     for length, before, whole in zip(size_of(image), corner, size, strict=True))
    if isinstance(image, Tensor):
        return image[:, torch.from_numpy(rows)][:, :, torch.from_numpy(columns)]
    return Image.fromarray(np.array(image)[rows][:, columns])


def mirrored(length: int, begin: int, count: int) -> np.ndarray:
    """Which of `length` pixels stands at each of `count` places from `begin` on; beyond the ends by reflection."""
    period = max(2 * (length - 1), 1)
    places = np.arange(begin, begin + count) % period
    return np.minimum(places, period - places)


def as_bytes(image: Image.Image) -> Tensor:
    """An 8-bit image as uint8 (C, H, W)."""
    return torch.from_numpy(np.stack([np.asarray(band) for band in image.split()]))


def as_stored(image: Pixels) -> Tensor:
    """An image as a tensor (C, H, W) of its own type."""
    return image if isinstance(image, Tensor) else as_bytes(image)


def as_pixels(picture: Picture, void: np.ndarray | None, value_range: ValueRange) -> Tensor:
    """What a file holds as (C, H, W). void: its pixels without data, bool (H, W), None where there are none.

    uint8 and uint16 stay what they are, to be brought to [-1, 1] by `to_tensor`. All else is by value_range at once.
    """
    values = picture.values
    if void is None and values.dtype.name in ("uint8", "uint16"):
        kept = np.array(values.transpose(2, 0, 1), dtype=values.dtype.newbyteorder("="), order="C")
        return torch.from_numpy(kept)
    unit = value_range.to_unit(values)
    if void is not None:
        unit[void] = np.nan
    return torch.from_numpy(unit).permute(2, 0, 1).contiguous()


def to_tensor(image: Pixels, value_range: ValueRange = BYTES) -> Tensor:
    """An image to a new float tensor (C, H, W) in [-1, 1], NaN where it has no data. value_range: of its file."""
    pixels = as_stored(image)
    if pixels.dtype == torch.float32:
        return pixels.clone(memory_format=torch.contiguous_format)
    if pixels.dtype == torch.uint8 and (value_range.low, value_range.high) == (0, 255):
        if not isinstance(image, Tensor):
            return torch.from_numpy(unit_of(pixels.numpy()))
        return pixels.to(torch.float32, memory_format=torch.contiguous_format).mul_(2 / 255).sub_(1)
    return _levels(value_range, pixels.dtype, pixels.device)[pixels.to(torch.int32)].contiguous()


def unit_of(levels: np.ndarray) -> np.ndarray:
    """uint8, 0 black and 255 white, as float32 in [-1, 1].

    By NumPy, to the bit as by torch, whose threads would wait for cores that other work keeps busy.
    """
    unit = np.multiply(levels, SCALE, dtype=np.float32, order="C")
    unit -= 1
    return unit


def bytes_of(unit: Tensor) -> np.ndarray | None:
    """The uint8 of which `unit_of` makes just these values, None if there is none."""
    values = unit.numpy()
    with np.errstate(invalid="ignore"):  # no data, and what is far beyond 8 bits
        levels = (values * np.float32(127.5) + np.float32(128)).astype(np.uint8)
    return levels if np.array_equal(unit_of(levels), values) else None


@lru_cache(maxsize=16)
def _levels(value_range: ValueRange, kind: torch.dtype, device: torch.device) -> Tensor:
    """What each value of uint8 or uint16 becomes."""
    values = np.arange(256, dtype=np.uint8) if kind == torch.uint8 else np.arange(65536, dtype=np.uint16)
    return torch.from_numpy(value_range.to_unit(values)).to(device)
