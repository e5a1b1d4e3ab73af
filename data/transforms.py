"""From images of any size to the tensors of a network: scale, pad, crop, fit, mirror; decided once for both sides."""
import math
import random
from dataclasses import dataclass

from PIL import ImageOps
from torch import Tensor

from data.pixels import Pixels, reflected, resize
from options.groups import DataOptions
from options.preprocess import PREPROCESS
from options.schema import Options, as_sides, width_and_height
from raster.picture import Size
from util.errors import UserError


@dataclass(frozen=True)
class Plan:
    """What happens to one image or to both sides of a pair, in this order. None: nothing."""

    scale: Size
    pad: tuple[int, int, int, int] | None  # left, top: where the image lies; width, height: what it is continued to
    crop: tuple[int, int, int, int] | None  # left, top, width, height
    fit: Size | None
    flip: bool

    def apply(self, image: Pixels) -> Pixels:
        """The image after the plan; bicubic as in the classic implementation."""
        image = resize(image, self.scale)
        if self.pad:
            left, top, *whole = self.pad
            image = reflected(image, (left, top), (whole[0], whole[1]))
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
    keep_size: neither scale nor crop: images are continued to the right and downwards to what the network accepts.
    load_size, crop_size: in pixels. pad: whether images that are smaller than the crop are continued on all sides.
    """

    def __init__(self, options: Options, size_multiple: int = 1, min_size: int = 1, augment: bool = True,
                 keep_size: bool = False):
        opt = options.view(DataOptions)
        self.way = PREPROCESS["none" if keep_size else opt.preprocess]
        self.load_size, self.crop_size = width_and_height(opt.load_size), width_and_height(opt.crop_size)
        self.flip = augment and not opt.no_flip
        self.size_multiple, self.min_size, self.augment = size_multiple, min_size, augment
        self.keep_size, self.pad = keep_size, bool(opt.pad) and self.way.crop
        if opt.pad and augment and (not self.way.crop or self.way.scale == "square"):
            raise UserError(f"--pad {opt.pad} continues images that are smaller than the crop, and --preprocess "
                            f"{opt.preprocess} has none: give --preprocess crop, or leave out --pad")
        compared = {"square": 2, "width": 1, "none": 0}[self.way.scale] if self.way.crop else 0
        if any(load < crop for load, crop in zip(self.load_size[:compared], self.crop_size, strict=False)):
            least = as_sides(*map(max, self.load_size, self.crop_size))
            raise UserError(f"--load_size {opt.load_size} is smaller than --crop_size {opt.crop_size}: "
                            f"give --load_size {least} or more")

    def scaled(self, size: Size) -> Size:
        """The size after scaling and before the crop."""
        if self.way.scale == "square":
            return self.load_size
        if self.way.scale == "width":  # never lower than the crop, as in the classic code
            width, least = self.load_size[0], 1 if self.pad else self.crop_size[1]
            return width, int(max(width * size[1] / size[0], least))
        return size

    def cropped(self, size: Size) -> Size:
        """The size after scaling and crop, before it is fitted to the network."""
        return self.crop_size if self.way.crop else self.scaled(size)

    def too_small(self, size: Size) -> bool:
        """Whether an image of `size` is smaller than the crop."""
        return any(side < least for side, least in zip(self.scaled(size), self.cropped(size), strict=True))

    def fitted(self, size: Size) -> Size:
        """The size of the tensor that an image of `size` becomes."""
        multiple = self.size_multiple
        smallest = math.ceil(self.min_size / multiple) * multiple
        nearest = math.ceil if self.keep_size else round
        width, height = (max(nearest(side / multiple) * multiple, smallest) for side in self.cropped(size))
        return width, height

    def plan(self, size: Size, rng: random.Random) -> Plan:
        """What happens to an image of `size`. UserError when it is smaller than the crop and may not be padded."""
        scaled, cropped, fitted = self.scaled(size), self.cropped(size), self.fitted(size)
        if self.keep_size:
            return Plan(scaled, pad=(0, 0, *fitted) if fitted != size else None, crop=None, fit=None, flip=False)
        room = scaled[0] - cropped[0], scaled[1] - cropped[1]
        whole, before = scaled, (0, 0)
        if min(room) < 0:
            if not self.pad:
                raise UserError(f"it is {size[0]}x{size[1]} pixels, smaller than --crop_size "
                                f"{as_sides(*self.crop_size)}")
            whole = max(scaled[0], cropped[0]), max(scaled[1], cropped[1])
        left, top = (rng.randint(0, abs(side)) if self.augment else abs(side) // 2 for side in room)
        if whole != scaled:  # where there is too little, it is the image that is moved
            before = (left if room[0] < 0 else 0, top if room[1] < 0 else 0)
            left, top = left - before[0], top - before[1]
        return Plan(
            scale=scaled,
            pad=(*before, *whole) if whole != scaled else None,
            crop=(left, top, *cropped) if cropped != whole else None,
            fit=fitted if fitted != cropped else None,
            flip=self.flip and rng.random() < 0.5,
        )
