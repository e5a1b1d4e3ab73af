"""Pairs: A|B side by side in one file, or two folders matched by name."""
from __future__ import annotations

import operator
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, overload

import numpy as np

from data.base_dataset import BaseDataset, Sample
from data.folders import folders_in, list_images, require_images, sides_inside
from data.matching import by_name, match_by_name
from data.paths import Paths
from data.per_file import PerFile
from data.pixels import size_of
from data.scaled import ImageFile, ImageFiles, side_size
from data.shard_images import pairs_in_shards
from data.transforms import Preprocess
from options.schema import Options
from raster.names import split_page
from raster.picture import Size
from util.errors import UserError

EXPECTED = """\
    {root}/
      {phase}/            pairs A|B side by side in one file
  or  {phase}/A/, {phase}/B/   or   {phase}A/, {phase}B/   pairs with equal names
  or  {phase}-000000.tar, ...   shards of files A|B, or of KEY.a.png and KEY.b.png"""


Pair = tuple[Path, Path | None]
"""The files of A and of B; None where one file holds both."""


class Pairs(Sequence[Pair]):
    """Many of them in little memory. B: None where one file holds both."""

    def __init__(self, A: Paths, B: Paths | None):
        self.A, self.B = A, B

    def __len__(self) -> int:
        return len(self.A)

    @overload
    def __getitem__(self, place: int) -> Pair: ...
    @overload
    def __getitem__(self, place: slice) -> Pairs: ...
    def __getitem__(self, place: int | slice) -> Pair | Pairs:
        if isinstance(place, slice):
            return Pairs(self.A[place], self.B and self.B[place])
        return self.A[place], self.B[place] if self.B else None

    @property
    def files(self) -> Paths:
        return self.A.zipped(self.B) if self.B else self.A

    def without(self, bad: Collection[Path]) -> Pairs:
        """Those of which no file is bad."""
        gone = Paths.of(bad)
        keep = gone.find(self.A) < 0
        if self.B is not None:
            keep &= gone.find(self.B) < 0
        return Pairs(self.A.only(keep), self.B and self.B.only(keep))


class AlignedDataset(BaseDataset):
    """Each sample is a pair; both sides always get the same crop and flip."""

    def __init__(self, options: Options, preprocess: Preprocess):
        super().__init__(options, preprocess)
        opt = self.opt
        self.pairs = (self._two_folders() or Pairs(self.images_in(self.root / opt.phase, or_in_shards=False), None)
                      or self._in_shards(opt.max_dataset_size))
        if opt.max_dataset_size < len(self.pairs):
            self.pairs = self.pairs[:int(opt.max_dataset_size)]
        hint = ""
        if not self.pairs and list_images(self.root / f"{opt.phase}A"):
            hint = "\nThese look like unpaired folders: --model cycle_gan or --dataset_mode unaligned reads them."
        elif not self.pairs and self.shards_for(self.root / f"{opt.phase}A"):
            hint = "\nThese look like unpaired shards: --model cycle_gan or --dataset_mode unaligned reads them."
        require_images(opt.dataroot, self.sources(), EXPECTED.format(root=opt.dataroot, phase=opt.phase), hint)
        self.nc = (opt.input_nc, opt.output_nc)[::-1 if self.swap else 1]  # of A and of B in the files

    def __len__(self) -> int:
        return len(self.pairs)

    def sample(self, index: int, rng: random.Random) -> Sample:
        """A pair under one plan. UserError when its files differ in size and are not both resized to one."""
        path_A, path_B = self.pairs[index]
        if path_B is None:
            image_A, image_B = self.read(path_A, *self.nc)
        else:
            (image_A,), (image_B,) = self.read(path_A, self.nc[0]), self.read(path_B, self.nc[1])
            if size_of(image_A) != size_of(image_B):
                _refuse_two_sizes({path_A: size_of(image_A), path_B: size_of(image_B)}, path_A, path_B)
        A, B = self.load_pair(path_A, image_A, image_B, rng, path_B)
        paths = str(path_A), str(path_B or path_A)
        if self.swap:
            A, B, paths = B, A, paths[::-1]
        return {"A": A, "B": B, "A_paths": paths[0], "B_paths": paths[1]}

    def sources(self) -> Paths:
        return self.pairs.A if self.pairs.B is None or not self.swap else self.pairs.B

    def files(self) -> Paths:
        return self.pairs.files

    def image_files(self) -> Iterable[ImageFile]:
        return ImageFiles.alike(self.files(), *([(nc,) for nc in self.nc] if self.pairs.B is not None else [self.nc]))

    def planned_size(self, path: Path, size: Size) -> Size:
        return side_size(path, size, sides=2 if self.pairs.B is None else 1)

    def doubts(self, found: Mapping[Path, Size]) -> list[str]:
        sizes = PerFile.of(found)
        if self.pairs.B is not None:
            self._refuse_two_sizes(sizes.map(self.preprocess.scaled))
            return self._other_proportions(sizes) if self.preprocess.way.scale == "width" else []
        narrow = sizes.where(lambda size: 1.5 * size[0] < size[1]).files
        if 2 * len(narrow) <= len(found):
            return []
        return [f"warning: each file is read as a pair A|B side by side, but {len(narrow)} of {len(found)} are not "
                f"about twice as wide as high, such as {narrow[0]}. Single images are for --model cycle_gan or "
                "colorization"]

    def _unlike(self, found: PerFile[Size], unlike: Callable[[Size, Size], bool]) -> Pairs:
        """The pairs in two folders whose sizes are unlike."""
        pairs = self.pairs
        assert pairs.B is not None, "one file has one size"
        both, which = np.unique(np.stack([found.whose(pairs.A), found.whose(pairs.B)]), axis=1, return_inverse=True)
        flags = np.array([unlike(found.distinct[one], found.distinct[other]) for one, other in both.T], bool)
        places = np.flatnonzero(flags[which.ravel()])
        return Pairs(pairs.A.only(places), pairs.B.only(places))

    def _refuse_two_sizes(self, scaled: PerFile[Size]) -> None:
        """UserError unless both sides of each pair are scaled to one size."""
        unequal = self._unlike(scaled, operator.ne)
        if unequal:
            _refuse_two_sizes(scaled, unequal.files[0], unequal.files[1], len(unequal))

    def _other_proportions(self, found: PerFile[Size]) -> list[str]:
        """A doubt about pairs of which a side loses its proportions, if there are any."""
        unlike = self._unlike(found, _unlike)
        if not unlike:
            return []
        path_A, path_B = unlike.files[:2]
        return [f"warning: the two sides of {len(unlike)} of {len(self.pairs)} pairs have unlike proportions, such as "
                f"{path_A} with {_by(found[path_A])} and {path_B} with {_by(found[path_B])}; --preprocess "
                f"{self.opt.preprocess} stretches both to {_by(self.preprocess.scaled(found[path_A]))}"]

    def leave_out(self, bad: set[Path]) -> None:
        self.pairs = self.pairs.without(bad)

    def _two_folders(self) -> Pairs | None:
        """Pairs of phase/A + phase/B or of phaseA + phaseB, in any case, if there are such folders."""
        phase = self.root / self.opt.phase
        if not phase.is_dir():
            folders = [Path(f"{phase}{side}") for side in "AB"]
            return self._matched(*folders) if all(folder.is_dir() for folder in folders) else None
        sides = sides_inside(phase)
        if sides[0] and sides[1]:
            return self._matched(sides[0], sides[1])
        if any(sides):
            raise UserError(f"{phase} has only one of the two folders A and B. expected:\n"
                            f"{EXPECTED.format(root=self.opt.dataroot, phase=self.opt.phase)}")
        inside = folders_in(phase)
        if len(inside) == 2 and _same_names(*inside):
            self.notices.append(
                f"note: {' and '.join(map(str, inside))} hold images of the same names, each read as a pair A|B side "
                "by side. If they are the two sides of pairs, rename these folders to A and B")
        return None

    def _in_shards(self, limit: float) -> Pairs:
        """Those in the shards of the phase, of which there may be none."""
        shards = self.shards_for(self.root / self.opt.phase)
        found = pairs_in_shards(shards, limit if self.opt.page == "1" else float("inf"))
        self.notices += found.notices
        if found.B is None or self.opt.page == "1":
            return Pairs(self.pages_of(found.A), found.B)
        A, B = self.pages_of(found.A), self.pages_of(found.B)
        if [split_page(path)[1] for path in A] != [split_page(path)[1] for path in B]:
            raise UserError(f"--page {self.opt.page}: the two files of a pair have different numbers of pages; give "
                            "--page 1 or another number")
        return Pairs(A, B)

    def _matched(self, folder_A: Path, folder_B: Path) -> Pairs:
        pairs, notices = match(folder_A, folder_B, self.opt.page)
        self.notices += notices
        return Pairs(Paths.of(A for A, _ in pairs), Paths.of(B for _, B in pairs))


def match(folder_A: Path, folder_B: Path, page: str = "1") -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pairs of images with the same name, subfolders included and endings aside; notices about those without a partner.

    Where several files share a name, those with the same ending are pairs. page: as --page chooses.
    Raises UserError when their endings leave open which belong together, or when no pair is left.
    """
    A, B = by_name(folder_A, page), by_name(folder_B, page)
    found = match_by_name(A, B)
    if found.lonely and not found.pairs:
        raise UserError(f"{found.lonely}\nNo pair is left. Give both files of a pair the same name (endings may "
                        "differ), or train without pairs: --model cycle_gan")
    used = [f"note: {found.lonely}\nThe {len(found.pairs)} pairs are used."] if found.lonely else []
    return found.pairs, A.notices + B.notices + used


def _same_names(one: Path, other: Path) -> bool:
    """Whether two folders hold images of the same names, endings aside."""
    names = [by_name(folder).images.keys() for folder in (one, other)]
    return names[0] == names[1] != set()


def _refuse_two_sizes(scaled: Mapping[Path, Size], path_A: Path, path_B: Path, count: int = 1) -> NoReturn:
    """UserError: the sides of a pair are not scaled to one size. count: of such pairs."""
    more = f", and {count - 1} more such pairs" if count > 1 else ""
    raise UserError(f"a pair must have one size, found {path_A} with {_by(scaled[path_A])} and {path_B} with "
                    f"{_by(scaled[path_B])}{more}; use --preprocess resize_and_crop or bring them to one size")


def _unlike(one: Size, other: Size) -> bool:
    """Whether two sizes differ in width over height by more than 2 %."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) > 0.02


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
