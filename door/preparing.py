"""From a picture to what a generator takes, and back: the way that test.py goes, for one picture by itself."""
import io
import random
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from data.pixels import to_tensor
from data.transforms import Preprocess
from models.network_options import image_sizes
from options.groups import DataOptions
from options.schema import Options
from raster.picture import Origin, Picture
from raster.pillow_files import BadImage, open_image, upright
from raster.value_range import BYTES
from util.errors import UserError


class Preparing:
    """Brings pictures to size and to [-1, 1] as the options say, and translations back to values.

    channels: that the generator takes.
    """

    def __init__(self, options: Options):
        self.opt = opt = options.view(DataOptions)
        self.channels = opt.input_nc
        self.multiple, self.least = image_sizes(options, training=False)
        self.preprocess = Preprocess(options, self.multiple, self.least, augment=False)

    def read(self, path: Path) -> Picture:
        """The picture in a file. Raises BadImage."""
        with open_image(path, self.opt.max_pixels) as image:
            return self.of_image(image, str(image.format))

    def decode(self, content: bytes) -> Picture:
        """The picture in the bytes of a file. Raises BadImage."""
        try:
            with Image.open(io.BytesIO(content)) as image:
                return self.of_image(image, str(image.format))
        except (OSError, ValueError, SyntaxError) as error:
            raise BadImage(Path("<bytes>"), str(error)) from None

    def of_image(self, image: Image.Image, format: str = "PNG") -> Picture:
        """A Pillow image, upright."""
        values = np.asarray(upright(image, self.channels))
        return Picture(values if values.ndim == 3 else values[:, :, None], Origin(format))

    def __call__(self, picture: Picture, name: Path) -> Tensor:
        """The picture as the generator takes it: (1, C, H, W) in [-1, 1]. UserError, with its name, when it is too
        small.
        """
        values = picture.values
        image = upright(Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values), self.channels)
        try:
            plan = self.preprocess.plan(image.size, random.Random(0))
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        return to_tensor(plan.apply(image))[None]

    def back(self, made: Tensor, picture: Picture) -> Picture:
        """A translation, (1, C, H, W) in [-1, 1], as values of the kind that `picture`, its source, has."""
        unit = made[0].permute(1, 2, 0).cpu().numpy()
        return Picture(BYTES.from_unit(unit, np.dtype(np.uint8)), picture.origin)

    def padded(self, units: Tensor) -> Tensor:
        """(B, C, H, W), with mirrored pixels below and on the right up to a size that the generator takes."""
        height, width = units.shape[2:]
        smallest = -(-self.least // self.multiple) * self.multiple
        while (more := [max(-(-side // self.multiple) * self.multiple, smallest) - side
                        for side in units.shape[2:]]) != [0, 0]:
            below, right = (min(wanted, side - 1) for wanted, side in zip(more, units.shape[2:], strict=True))
            if below + right == 0:
                raise UserError(f"a tensor of {width}x{height} pixels is too small to be mirrored to a size that the "
                                f"generator takes: multiples of {self.multiple}, at least {smallest}")
            units = F.pad(units, (0, right, 0, below), mode="reflect")
        return units
