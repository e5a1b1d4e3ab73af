"""From images of any size to the tensors of a network: scale, crop, fit, mirror; decided once for both sides."""
import math
import random
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from options.groups import DataOptions
from options.preprocess import PREPROCESS
from options.schema import Options
from util.errors import UserError

Size = tuple[int, int]
"""(width, height) in pixels."""
Pixels = Image.Image | Tensor
"""An 8-bit image: Pillow's, or from a cache a tensor (C, H, W) of type uint8."""


@dataclass(frozen=True)
class Plan:
    """What happens to one image or to both sides of a pair, in this order. None: nothing."""

    scale: Size
    crop: tuple[int, int, int, int] | None  # left, top, width, height
    fit: Size | None
    flip: bool

    def apply(self, image: Pixels) -> Pixels:
        """The image after the plan; bicubic as in the classic implementation."""
        image = resize(image, self.scale)
        if self.crop:
            left, top, width, height = self.crop
            image = (image[:, top:top + height, left:left + width] if isinstance(image, Tensor) else
                     image.crop((left, top, left + width, top + height)))
        if self.fit:
            image = resize(image, self.fit)
        if not self.flip:
            return image
        return image.flip(-1) if isinstance(image, Tensor) else ImageOps.mirror(image)


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


def as_bytes(image: Image.Image) -> Tensor:
    """An 8-bit image as uint8 (C, H, W)."""
    return torch.from_numpy(np.array(image)).reshape(image.height, image.width, -1).permute(2, 0, 1)


class Preprocess:
    """The sizes and crops that the options ask for.

    size_multiple, min_size: what the network accepts (multiples of, at least), in pixels.
    augment: random crops and flips, for training; otherwise centre crops and no flips.
    """

    def __init__(self, options: Options, size_multiple: int = 1, min_size: int = 1, augment: bool = True):
        opt = options.view(DataOptions)
        self.way, self.load_size, self.crop_size = PREPROCESS[opt.preprocess], opt.load_size, opt.crop_size
        self.flip = augment and not opt.no_flip
        self.size_multiple, self.min_size, self.augment = size_multiple, min_size, augment
        if self.scales_and_crops and self.load_size < self.crop_size:
            raise UserError(f"--load_size {self.load_size} is smaller than --crop_size {self.crop_size}: "
                            f"give --load_size {self.crop_size} or more")

    @property
    def scales_and_crops(self) -> bool:
        return self.way.crop and self.way.scale != "none"

    def scaled(self, size: Size) -> Size:
        """The size after scaling and before the crop."""
        if self.way.scale == "square":
            return self.load_size, self.load_size
        if self.way.scale == "width":  # never lower than the crop, as in the classic code
            return self.load_size, int(max(self.load_size * size[1] / size[0], self.crop_size))
        return size

    def cropped(self, size: Size) -> Size:
        """The size after scaling and crop, before it is fitted to the network."""
        return (self.crop_size, self.crop_size) if self.way.crop else self.scaled(size)

    def fitted(self, size: Size) -> Size:
        """The size of the tensor that an image of `size` becomes."""
        multiple = self.size_multiple
        smallest = math.ceil(self.min_size / multiple) * multiple
        width, height = (max(round(side / multiple) * multiple, smallest) for side in self.cropped(size))
        return width, height

    def plan(self, size: Size, rng: random.Random) -> Plan:
        """What happens to an image of `size`. UserError when it is smaller than the crop."""
        scaled, cropped, fitted = self.scaled(size), self.cropped(size), self.fitted(size)
        if cropped[0] > scaled[0] or cropped[1] > scaled[1]:
            raise UserError(f"it is {size[0]}x{size[1]} pixels, smaller than --crop_size {self.crop_size}")
        room = scaled[0] - cropped[0], scaled[1] - cropped[1]
        left, top = (rng.randint(0, side) if self.augment else side // 2 for side in room)
        return Plan(
            scale=scaled,
            crop=(left, top, *cropped) if cropped != scaled else None,
            fit=fitted if fitted != cropped else None,
            flip=self.flip and rng.random() < 0.5,
        )


def to_tensor(image: Pixels) -> Tensor:
    """An 8-bit image to a new float tensor (C, H, W) in [-1, 1]."""
    pixels = image if isinstance(image, Tensor) else as_bytes(image)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).mul_(2 / 255).sub_(1)
