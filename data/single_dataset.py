"""A folder of images, or one file: only the source side."""
import random
from collections.abc import Iterable
from pathlib import Path

from data.base_dataset import BaseDataset, Sample
from data.folders import is_image, list_images, require_images
from data.scaled import ImageFile
from data.transforms import Preprocess
from options.schema import Options

EXPECTED = "    {root}   an image, or a folder with images in it and below it"


class SingleDataset(BaseDataset):
    """Each sample is one image; there is no B."""

    gives = ("A",)

    def __init__(self, opt: Options, preprocess: Preprocess):
        super().__init__(opt, preprocess)
        one_file = self.root.is_file() and is_image(self.root)
        self.A = [self.root] if one_file else list_images(self.root, opt.max_dataset_size)
        require_images(opt.dataroot, self.A, EXPECTED.format(root=opt.dataroot))

    def __len__(self) -> int:
        return len(self.A)

    def sample(self, index: int, rng: random.Random) -> Sample:
        return {"A": self.load(self.A[index], self.opt.input_nc, rng), "A_paths": str(self.A[index])}

    def sources(self) -> list[Path]:
        return self.A

    def image_files(self) -> Iterable[ImageFile]:
        return [ImageFile(path, (self.opt.input_nc,)) for path in self.A]

    def leave_out(self, bad: set[Path]) -> None:
        self.A = [path for path in self.A if path not in bad]
