"""From images of any size to the tensors of a network: scale, crop, fit, mirror; decided once for both sides."""
import math
import random
from dataclasses import dataclass

from PIL import ImageOps
from torch import Tensor

from data.pixels import Pixels, resize
from options.groups import DataOptions
from options.preprocess import PREPROCESS
from options.schema import Options
from raster.picture import Size
from util.errors import UserError


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
