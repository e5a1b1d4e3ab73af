"""Pairs: A|B side by side in one file, or two folders matched by name."""
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from data.base_dataset import BaseDataset, Sample
from data.folders import list_images, require_images
from data.scaled import ImageFile, side_size, size_of
from data.transforms import Preprocess, Size
from options.schema import Options
from util.errors import UserError

EXPECTED = """\
    {root}/
      {phase}/            pairs A|B side by side in one file
  or  {phase}/A/, {phase}/B/   or   {phase}A/, {phase}B/   pairs with equal names"""


class AlignedDataset(BaseDataset):
    """Each sample is a pair; both sides always get the same crop and flip."""

    def __init__(self, opt: Options, preprocess: Preprocess):
        super().__init__(opt, preprocess)
        self.pairs = self._two_folders() or [(path, None) for path in list_images(self.root / opt.phase)]
        if opt.max_dataset_size < len(self.pairs):
            self.pairs = self.pairs[:int(opt.max_dataset_size)]
        hint = ""
        if not self.pairs and list_images(self.root / f"{opt.phase}A"):
            hint = "\nThese look like unpaired folders: --model cycle_gan or --dataset_mode unaligned reads them."
        require_images(opt.dataroot, self.pairs, EXPECTED.format(root=opt.dataroot, phase=opt.phase), hint)
        self.nc = (opt.output_nc, opt.input_nc) if self.swap else (opt.input_nc, opt.output_nc)  # of A and of B in the files

    def __len__(self) -> int:
        return len(self.pairs)

    def sample(self, index: int, rng: random.Random) -> Sample:
        """A pair under one plan. UserError when its files differ in size and are not both resized to one."""
        path_A, path_B = self.pairs[index]
        if path_B is None:
            image_A, image_B = self.read(path_A, *self.nc)
        else:
            (image_A,), (image_B,) = self.read(path_A, self.nc[0]), self.read(path_B, self.nc[1])
            _require_one_size(path_A, size_of(image_A), path_B, size_of(image_B))
        A, B = self.load_pair(path_A, image_A, image_B, rng)
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
        return [ImageFile(path, (nc,)) for pair in self.pairs for path, nc in zip(pair, self.nc, strict=True)]

    def planned_size(self, path: Path, size: Size) -> Size:
        return side_size(path, size, sides=1 if self.pairs[0][1] else 2)

    def doubts(self, found: Mapping[Path, Size]) -> list[str]:
        narrow = [path for path, (width, height) in found.items() if 1.5 * width < height]
        if self.pairs[0][1] or 2 * len(narrow) <= len(found):
            return []
        return [f"warning: each file is read as a pair A|B side by side, but {len(narrow)} of {len(found)} are not about twice "
                f"as wide as high, such as {narrow[0]}. Single images are for --model cycle_gan or colorization"]

    def leave_out(self, bad: set[Path]) -> None:
        self.pairs = [pair for pair in self.pairs if not bad.intersection(pair)]

    def _two_folders(self) -> list[tuple[Path, Path]]:
        """Pairs of phase/A + phase/B or of phaseA + phaseB, in any case, if there are such folders."""
        phase = self.root / self.opt.phase
        if not phase.is_dir():
            folders = [Path(f"{phase}{side}") for side in "AB"]
            return match(*folders) if all(folder.is_dir() for folder in folders) else []
        inside = {path.name: path for path in sorted(phase.iterdir()) if path.is_dir()}
        sides = [next((path for name, path in inside.items() if name.upper() == side), None) for side in "AB"]
        if all(sides):
            return match(*sides)
        if any(sides):
            raise UserError(f"{phase} has only one of the two folders A and B. expected:\n"
                            f"{EXPECTED.format(root=self.opt.dataroot, phase=self.opt.phase)}")
        if len(inside) == 2 and _same_names(*inside.values()):
            print(f"note: {' and '.join(map(str, inside.values()))} hold images of the same names, each read as a pair A|B "
                  "side by side. If they are the two sides of pairs, rename these folders to A and B")
        return []


def match(folder_A: Path, folder_B: Path) -> list[tuple[Path, Path]]:
    """Pairs of images with the same name, subfolders included and endings aside; prints which have no partner.

    Raises UserError when no pair is left.
    """
    images_A, images_B = list_images(folder_A), list_images(folder_B)
    named_B = {path.relative_to(folder_B).with_suffix(""): path for path in images_B}
    names_A = [path.relative_to(folder_A).with_suffix("") for path in images_A]
    pairs = [(path, named_B[name]) for path, name in zip(images_A, names_A, strict=True) if name in named_B]
    paired = {path for pair in pairs for path in pair}
    lonely = [path for path in images_A + images_B if path not in paired]
    if lonely:
        report = "\n".join(f"  {path}" for path in lonely[:20]) + ("\n  ..." if len(lonely) > 20 else "")
        said = f"{len(lonely)} images in {folder_A} and {folder_B} have no partner of the same name:\n{report}"
        if not pairs:
            raise UserError(f"{said}\nNo pair is left. Give both files of a pair the same name (endings may differ), "
                            "or train without pairs: --model cycle_gan")
        print(f"note: {said}\nThe {len(pairs)} pairs are used.")
    return pairs


def _same_names(one: Path, other: Path) -> bool:
    """Whether two folders hold images of the same names, endings aside."""
    names = [{path.relative_to(folder).with_suffix("") for path in list_images(folder)} for folder in (one, other)]
    return names[0] == names[1] != set()


def _require_one_size(path_A: Path, size_A: Size, path_B: Path, size_B: Size) -> None:
    """UserError unless both sides of a pair are scaled to one size."""
    if size_A != size_B:
        raise UserError(f"a pair must have one size, found {path_A} with {_by(size_A)} and {path_B} with {_by(size_B)}; "
                        "use --preprocess resize_and_crop or bring them to one size")


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
