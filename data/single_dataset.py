"""A folder of images, or one file: only the source side."""
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from data.base_dataset import BaseDataset, Sample
from data.folders import PHASES, is_image, require_images, tops
from data.paths import Paths
from data.per_file import PerFile
from data.scaled import ImageFile, ImageFiles
from data.transforms import Preprocess
from options.schema import Options
from raster.picture import Size

PILES = {f"{phase}{side}" for phase in (*PHASES, "") for side in ("A", "B", "")}  # folders of a dataset
EXPECTED = "    {root}   an image, or a folder with images, or with shards of them (.tar), in it and below it"


class SingleDataset(BaseDataset):
    """Each sample is one image; there is no B."""

    gives = ("A",)
    paired = False

    def __init__(self, options: Options, preprocess: Preprocess):
        super().__init__(options, preprocess)
        opt = self.opt
        one_file = self.root.is_file() and is_image(self.root)
        self.A = self.pages_of([self.root]) if one_file else self.images_in(self.root, opt.max_dataset_size)
        require_images(opt.dataroot, self.A, EXPECTED.format(root=opt.dataroot))

    @classmethod
    def of(cls, files: Sequence[Path], options: Options, preprocess: Preprocess) -> Self:
        """Of these images, which lie anywhere."""
        dataset = cls.__new__(cls)
        BaseDataset.__init__(dataset, options, preprocess)
        dataset.A = Paths.of(files)
        return dataset

    def __len__(self) -> int:
        return len(self.A)

    def sample(self, index: int, rng: random.Random) -> Sample:
        return {"A": self.load(self.A[index], self.opt.input_nc, rng), "A_paths": str(self.A[index])}

    def sources(self) -> Paths:
        return self.A

    def image_files(self) -> Iterable[ImageFile]:
        return ImageFiles.alike(self.A, (self.opt.input_nc,))

    def doubts(self, found: Mapping[Path, Size]) -> list[str]:
        doubts = []
        wide = PerFile.of(found).where(lambda size: 1.9 < size[0] / size[1] < 2.1).files
        if 2 * len(wide) > len(found):
            doubts.append(f"warning: {len(wide)} of {len(found)} images are twice as wide as high, such as {wide[0]}, "
                          "and each is read as one picture. If they are pairs A|B side by side, give --dataset_mode "
                          "aligned and the --model that was trained")
        piles = [] if self.root.is_file() else sorted(tops(self.A, self.root) & PILES)
        if len(piles) > 1:
            doubts.append(f"warning: the images in {', '.join(piles)} of {self.root} are all read alike; for one of "
                          f"these folders give --dataroot {self.root / piles[0]}")
        return doubts

    def leave_out(self, bad: set[Path]) -> None:
        self.A = self.A.without(bad)
