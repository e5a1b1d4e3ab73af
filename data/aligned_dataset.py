"""Pairs: A|B side by side in one file, or two folders matched by name."""
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from data.base_dataset import BaseDataset, Sample
from data.folders import list_images, require_images, sides_inside
from data.matching import by_name, match_by_name
from data.pixels import size_of
from data.scaled import ImageFile, side_size
from data.transforms import Preprocess
from options.schema import Options
from raster.picture import Size
from util.errors import UserError

EXPECTED = """\
    {root}/
      {phase}/            pairs A|B side by side in one file
  or  {phase}/A/, {phase}/B/   or   {phase}A/, {phase}B/   pairs with equal names"""


Pair = tuple[Path, Path | None]
"""The files of A and of B; None where one file holds both."""


class AlignedDataset(BaseDataset):
    """Each sample is a pair; both sides always get the same crop and flip."""

    def __init__(self, options: Options, preprocess: Preprocess):
        super().__init__(options, preprocess)
        opt = self.opt
        self.pairs: list[Pair] = self._two_folders() or [(path, None) for path in self.images_in(self.root / opt.phase)]
        if opt.max_dataset_size < len(self.pairs):
            self.pairs = self.pairs[:int(opt.max_dataset_size)]
        hint = ""
        if not self.pairs and list_images(self.root / f"{opt.phase}A"):
            hint = "\nThese look like unpaired folders: --model cycle_gan or --dataset_mode unaligned reads them."
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
            _refuse_two_sizes({path_A: size_of(image_A), path_B: size_of(image_B)}, [(path_A, path_B)])
        A, B = self.load_pair(path_A, image_A, image_B, rng, path_B)
        paths = str(path_A), str(path_B or path_A)
        if self.swap:
            A, B, paths = B, A, paths[::-1]
        return {"A": A, "B": B, "A_paths": paths[0], "B_paths": paths[1]}

    def sources(self) -> list[Path]:
        return [pair[1] if self.swap and pair[1] else pair[0] for pair in self.pairs]

    def files(self) -> Iterable[Path]:
        return [path for pair in self.pairs for path in pair if path is not None]

    def image_files(self) -> Iterable[ImageFile]:
        if self.pairs[0][1] is None:
            return [ImageFile(path, self.nc) for path in self.files()]
        return [ImageFile(path, (nc,)) for pair in self.pairs for path, nc in zip(pair, self.nc, strict=True) if path]

    def planned_size(self, path: Path, size: Size) -> Size:
        return side_size(path, size, sides=1 if self.pairs[0][1] else 2)

    def doubts(self, found: Mapping[Path, Size]) -> list[str]:
        if self.pairs[0][1]:
            pairs = [(path_A, path_B) for path_A, path_B in self.pairs if path_B]
            _refuse_two_sizes({path: self.preprocess.scaled(size) for path, size in found.items()}, pairs)
            return self._other_proportions(found, pairs) if self.preprocess.way.scale == "width" else []
        narrow = [path for path, (width, height) in found.items() if 1.5 * width < height]
        if 2 * len(narrow) <= len(found):
            return []
        return [f"warning: each file is read as a pair A|B side by side, but {len(narrow)} of {len(found)} are not "
                f"about twice as wide as high, such as {narrow[0]}. Single images are for --model cycle_gan or "
                "colorization"]

    def _other_proportions(self, found: Mapping[Path, Size], pairs: list[tuple[Path, Path]]) -> list[str]:
        """A doubt about pairs of which a side loses its proportions, if there are any."""
        unlike = [pair for pair in pairs if _unlike(*(found[path] for path in pair))]
        if not unlike:
            return []
        path_A, path_B = unlike[0]
        return [f"warning: the two sides of {len(unlike)} of {len(pairs)} pairs have unlike proportions, such as "
                f"{path_A} with {_by(found[path_A])} and {path_B} with {_by(found[path_B])}; --preprocess "
                f"{self.opt.preprocess} stretches both to {_by(self.preprocess.scaled(found[path_A]))}"]

    def leave_out(self, bad: set[Path]) -> None:
        self.pairs = [pair for pair in self.pairs if not bad.intersection(pair)]

    def _two_folders(self) -> list[Pair]:
        """Pairs of phase/A + phase/B or of phaseA + phaseB, in any case, if there are such folders."""
        phase = self.root / self.opt.phase
        if not phase.is_dir():
            folders = [Path(f"{phase}{side}") for side in "AB"]
            return self._matched(*folders) if all(folder.is_dir() for folder in folders) else []
        sides = sides_inside(phase)
        if sides[0] and sides[1]:
            return self._matched(sides[0], sides[1])
        if any(sides):
            raise UserError(f"{phase} has only one of the two folders A and B. expected:\n"
                            f"{EXPECTED.format(root=self.opt.dataroot, phase=self.opt.phase)}")
        inside = sorted(path for path in phase.iterdir() if path.is_dir())
        if len(inside) == 2 and _same_names(*inside):
            self.notices.append(
                f"note: {' and '.join(map(str, inside))} hold images of the same names, each read as a pair A|B side "
                "by side. If they are the two sides of pairs, rename these folders to A and B")
        return []

    def _matched(self, folder_A: Path, folder_B: Path) -> list[Pair]:
        pairs, notices = match(folder_A, folder_B, self.opt.page)
        self.notices += notices
        return [*pairs]


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


def _refuse_two_sizes(scaled: Mapping[Path, Size], pairs: Iterable[tuple[Path, Path]]) -> None:
    """UserError unless both sides of each pair are scaled to one size. scaled: the size of each file after scaling."""
    unequal = [(path_A, path_B) for path_A, path_B in pairs if scaled[path_A] != scaled[path_B]]
    if unequal:
        path_A, path_B = unequal[0]
        more = f", and {len(unequal) - 1} more such pairs" if len(unequal) > 1 else ""
        raise UserError(f"a pair must have one size, found {path_A} with {_by(scaled[path_A])} and {path_B} with "
                        f"{_by(scaled[path_B])}{more}; use --preprocess resize_and_crop or bring them to one size")


def _unlike(one: Size, other: Size) -> bool:
    """Whether two sizes differ in width over height by more than 2 %."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) > 0.02


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
