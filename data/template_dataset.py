"""A worked example: pairs made from single images, the source being the target turned upside down.

To add your own: copy this file to data/xyz_dataset.py and rename the class to XyzDataset.
`--dataset_mode xyz` then finds it, and the tests enroll it.
"""
import random
from pathlib import Path
from typing import ClassVar

from data.base_dataset import BaseDataset, Sample
from data.folders import require_images
from data.paths import Paths
from data.transforms import Preprocess
from options.schema import Group, Options, option
from util.errors import UserError

EXPECTED = """\
    {root}/
      {phase}/   images"""


class TemplateDataset(BaseDataset):
    """B is an image, A the same image upside down and darkened."""

    class ExtraOptions(Group):  # options that only this dataset has
        """template dataset"""

        brightness: float = option(0.5, "factor on the brightness of A, from 0 (black) to 1", sampling=True)

    changed_defaults: ClassVar = {"no_flip": True}  # defaults of shared options that suit this dataset

    def __init__(self, options: Options, preprocess: Preprocess):
        super().__init__(options, preprocess)
        opt = self.opt
        self.brightness = options.view(self.ExtraOptions).brightness
        if opt.input_nc != opt.output_nc:
            raise UserError(f"--dataset_mode template makes A from B and needs equal channels, found --input_nc "
                            f"{opt.input_nc} and --output_nc {opt.output_nc}")
        self.images = self.images_in(self.root / opt.phase, opt.max_dataset_size)
        require_images(opt.dataroot, self.images, EXPECTED.format(root=opt.dataroot, phase=opt.phase))

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, rng: random.Random) -> Sample:
        """All that is random comes from `rng`, so that the same seed gives the same sample in any worker."""
        path = self.images[index]
        B = self.load(path, self.opt.output_nc, rng)
        A = (B.flip(1) + 1) * self.brightness - 1
        if self.swap:  # --direction BtoA
            A, B = B, A
        return {"A": A, "B": B, "A_paths": str(path), "B_paths": str(path)}

    def sources(self) -> Paths:
        return self.images

    def leave_out(self, bad: set[Path]) -> None:
        """For --skip_bad_images: drop the samples of which a file cannot be read."""
        self.images = self.images.without(bad)
