"""Pixels between the reader and the network: their size, bicubic resizing, and the tensor that they become."""
from typing import overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from raster.picture import Size

Pixels = Image.Image | Tensor
"""An 8-bit image: Pillow's, or from a cache a tensor (C, H, W) of type uint8."""


@overload
def resize(image: Image.Image, size: Size) -> Image.Image: ...
@overload
def resize(image: Pixels, size: Size) -> Pixels: ...
def resize(image: Pixels, size: Size) -> Pixels:
    """The image with `size` by Pillow's bicubic filter, also for a tensor: torch's is not the same to the bit."""
    if size_of(image) == size:
        return image
    if not isinstance(image, Tensor):
        return image.resize(size, Image.Resampling.BICUBIC)
    pixels = image.cpu().permute(1, 2, 0).numpy()
    whole = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    return as_bytes(whole.resize(size, Image.Resampling.BICUBIC)).to(image.device)


def size_of(image: Pixels) -> Size:
    """(width, height) in pixels."""
    return (image.shape[2], image.shape[1]) if isinstance(image, Tensor) else image.size


def reflected(image: Pixels, corner: tuple[int, int], size: Size) -> Pixels:
    """The image continued to `size` by its reflection, as often as that takes; it lies with its `corner` (left, top)
    there. An edge pixel is not repeated, unless it is the only one.
    """
    columns, rows = (_mirrored(*sides) for sides in zip(size_of(image), corner, size, strict=True))
    if isinstance(image, Tensor):
        return image[:, torch.from_numpy(rows)][:, :, torch.from_numpy(columns)]
    return Image.fromarray(np.array(image)[rows][:, columns])


def _mirrored(length: int, before: int, whole: int) -> np.ndarray:
    """Which of `length` pixels stands at each of `whole` places, of which `before` lie before the first."""
    period = max(2 * (length - 1), 1)
    places = np.arange(-before, whole - before) % period
    return np.minimum(places, period - places)


def as_bytes(image: Image.Image) -> Tensor:
    """An 8-bit image as uint8 (C, H, W)."""
    return torch.from_numpy(np.array(image)).reshape(image.height, image.width, -1).permute(2, 0, 1)


def to_tensor(image: Pixels) -> Tensor:
    """An 8-bit image to a new float tensor (C, H, W) in [-1, 1]."""
    pixels = image if isinstance(image, Tensor) else as_bytes(image)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).mul_(2 / 255).sub_(1)
