"""Two piles of images without pairs."""
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from data.base_dataset import BaseDataset, Sample
from data.folders import list_images, require_images, sides_inside
from data.paths import Paths
from data.scaled import ImageFile, ImageFiles
from data.shard_order import in_shards
from data.transforms import Preprocess
from options.schema import Options

EXPECTED = """\
    {root}/
      {phase}A/   images of domain A
      {phase}B/   images of domain B
  or  {phase}/A/, {phase}/B/
  or  {phase}A-000000.tar, ..., {phase}B-000000.tar, ...   shards of them"""


class UnalignedDataset(BaseDataset):
    """Sample i is image i of A beside a random image of B (image i with --serial_batches); the longer pile counts.

    In shards the order of an epoch says which image of B it is, so that few shards are read at a time: sample
    i + a * j, where A has a images, is image i of A beside image j of B.
    """

    paired = False

    def __init__(self, options: Options, preprocess: Preprocess):
        super().__init__(options, preprocess)
        opt = self.opt
        phase = self.root / opt.phase
        folders = [Path(f"{phase}{side}") for side in "AB"]
        inside = sides_inside(phase)
        if not any(folder.is_dir() for folder in folders) and inside[0] and inside[1]:
            folders = [inside[0], inside[1]]
        self.A, self.B = (self.images_in(folder, opt.max_dataset_size) for folder in folders[::-1 if self.swap else 1])
        hint = ""
        if not (self.A and self.B) and not any(inside) and list_images(phase):
            hint = f"\n{phase} looks like pairs A|B: --model pix2pix or --dataset_mode aligned reads them."
        elif not (self.A or self.B) and self.shards_for(phase):
            hint = (f"\n{self.shards_for(phase)[0]} belongs to neither side: if its images are pairs, --model pix2pix "
                    "or --dataset_mode aligned reads them.")
        expected = EXPECTED.format(root=opt.dataroot, phase=opt.phase)
        for images in (self.A, self.B):
            require_images(opt.dataroot, images, expected, hint)
        self.serial = opt.serial_batches or not preprocess.augment
        self.sharded = in_shards(self.piles())

    def __len__(self) -> int:
        return max(len(self.A), len(self.B)) if self.A and self.B else 0

    def sample(self, index: int, rng: random.Random) -> Sample:
        """An image of each pile. index: of A; in shards of A and B, see data/shard_order.py."""
        path_A = self.A[index % len(self.A)]
        if self.serial:
            path_B = self.B[index % len(self.B)]
        elif self.sharded:
            path_B = self.B[index // len(self.A)]
        else:
            path_B = self.B[rng.randrange(len(self.B))]
        return {
            "A": self.load(path_A, self.opt.input_nc, rng),
            "B": self.load(path_B, self.opt.output_nc, rng),
            "A_paths": str(path_A),
            "B_paths": str(path_B),
        }

    def sources(self) -> Paths:
        return self.A

    def files(self) -> Paths:
        return self.A + self.B

    def piles(self) -> Sequence[Paths]:
        return [self.A, self.B]

    def image_files(self) -> Iterable[ImageFile]:
        return ImageFiles.alike(self.A, (self.opt.input_nc,)) + ImageFiles.alike(self.B, (self.opt.output_nc,))

    def leave_out(self, bad: set[Path]) -> None:
        self.A, self.B = self.A.without(bad), self.B.without(bad)
