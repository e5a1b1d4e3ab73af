"""Colour images, taken apart into lightness and colour."""
import random
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from kornia.color import rgb_to_lab
from torch import Tensor

from data.base_dataset import BaseDataset, Sample
from data.folders import require_images
from data.paths import Paths
from data.scaled import ImageFile, ImageFiles
from data.transforms import Preprocess
from options.schema import Options
from util.errors import UserError

EXPECTED = """\
    {root}/
      {phase}/   colour images
  or  {phase}-000000.tar, ...   shards of them"""


class ColorizationDataset(BaseDataset):
    """A is the lightness L, B the colours ab of CIE Lab, both brought to [-1, 1] (L from 0..100, ab from -110..110)."""

    changed_defaults: ClassVar = {"input_nc": 1, "output_nc": 2}
    channels = (1, 2)

    def __init__(self, options: Options, preprocess: Preprocess):
        super().__init__(options, preprocess)
        opt = self.opt
        if (opt.input_nc, opt.output_nc, opt.direction) != (1, 2, "AtoB"):
            raise UserError("--dataset_mode colorization goes from lightness (1 channel) to colour (2 channels): "
                            "leave out --input_nc, --output_nc and --direction")
        self.A = self.images_in(self.root / opt.phase, opt.max_dataset_size)
        require_images(opt.dataroot, self.A, EXPECTED.format(root=opt.dataroot, phase=opt.phase))

    def __len__(self) -> int:
        return len(self.A)

    def sample(self, index: int, rng: random.Random) -> Sample:
        rgb = self.load(self.A[index], 3, rng)
        lightness, colours = lightness_and_colours(rgb)
        path = str(self.A[index])
        return {"A": lightness, "B": colours, "A_paths": path, "B_paths": path}

    def sources(self) -> Paths:
        return self.A

    def image_files(self) -> Iterable[ImageFile]:
        return ImageFiles.alike(self.A, (3,))

    def leave_out(self, bad: set[Path]) -> None:
        self.A = self.A.without(bad)


def lightness_and_colours(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """L (..., 1, H, W) and ab (..., 2, H, W) of RGB (..., 3, H, W), all in [-1, 1]."""
    lab = rgb_to_lab((rgb + 1) / 2)
    return lab[..., :1, :, :] / 50 - 1, lab[..., 1:, :, :] / 110
