"""Put two folders of images of the same names side by side, as pairs A|B for pix2pix.

    python datasets/combine_A_and_B.py --fold_A photos --fold_B labels --fold_AB datasets/facades

Each of fold_A and fold_B holds a folder for each split (train, val, test). With --use_AB the names are 1_A.jpg in
fold_A and 1_B.jpg in fold_B. Folders train/A and train/B are read as they are: pairs need not be put together.
"""
import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.matching import Named, by_name, match_by_name
from raster.reading import read_header
from raster.view import read_image
from util.errors import UserError, exit_on

Job = tuple[Path, Path, Path]
"""The files of A, of B and of the pair."""


def main(argv: list[str] | None = None) -> None:
    """The command, with the flags of the classic one. Exit code 0 when pairs were written, 2 when there are none."""
    parser = argparse.ArgumentParser("combine_A_and_B.py", description=__doc__.splitlines()[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--fold_A", type=Path, required=True, help="folder of A, with a folder for each split")
    parser.add_argument("--fold_B", type=Path, required=True, help="the same of B")
    parser.add_argument("--fold_AB", type=Path, required=True, help="folder of the pairs")
    parser.add_argument("--num_imgs", type=int, default=1_000_000, help="at most so many pairs a split")
    parser.add_argument("--use_AB", action="store_true", help="the names are NAME_A.jpg and NAME_B.jpg")
    parser.add_argument("--no_multiprocessing", action="store_true", help="one process, not one a core")
    args = parser.parse_args(argv)
    with exit_on(UserError):
        jobs = [job for split in splits(args.fold_A, args.fold_B)
                for job in pairs_of(split, args.fold_A, args.fold_B, args.fold_AB, args.num_imgs, args.use_AB)]
        if args.no_multiprocessing:
            for job in tqdm(jobs, unit=" pairs"):
                combine(job)
        else:
            with ProcessPoolExecutor(os.cpu_count()) as pool:
                list(tqdm(pool.map(combine, jobs, chunksize=8), total=len(jobs), unit=" pairs"))
        print(f"{args.fold_AB}: {len(jobs)} pairs; train with --dataroot {args.fold_AB}")


def splits(fold_A: Path, fold_B: Path) -> list[str]:
    """The folders that both have. UserError when there are none."""
    inside = [{path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
              for folder in (fold_A, fold_B)]
    if both := sorted(inside[0] & inside[1]):
        return both
    raise UserError(f"{fold_A} and {fold_B} have no folder in common; found {_listed(inside[0])} and "
                    f"{_listed(inside[1])}, expected train, val or test in each")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def pairs_of(split: str, fold_A: Path, fold_B: Path, fold_AB: Path, most: int, use_AB: bool) -> list[Job]:
    """What is to be done for a split; those without a partner are said. UserError when no pair is left."""
    sides = [by_name(fold / split) for fold in (fold_A, fold_B)]
    if use_AB:
        sides = [_without(f"_{side}", named) for side, named in zip("AB", sides, strict=True)]
    matched = match_by_name(*sides)
    if not matched.pairs:
        names = "NAME_A and NAME_B" if use_AB else "equal names; --use_AB takes NAME_A and NAME_B"
        raise UserError(f"no image in {fold_A / split} has a partner in {fold_B / split}; expected {names}")
    if matched.lonely:
        print(f"note: {matched.lonely}")
    return [(path_A, path_B, _place(path_A, fold_A, fold_AB, use_AB)) for path_A, path_B in matched.pairs[:most]]


def _without(ending: str, named: Named) -> Named:
    """The images whose names have that ending, under their names without it."""
    return Named(named.folder, {name.with_name(name.name.removesuffix(ending)): files
                                for name, files in named.images.items() if name.name.endswith(ending)})


def _place(path_A: Path, fold_A: Path, fold_AB: Path, use_AB: bool) -> Path:
    """The file of a pair, under the name of its A."""
    place = fold_AB / path_A.relative_to(fold_A)
    return place.with_stem(place.stem.removesuffix("_A")) if use_AB else place


def combine(job: Job) -> None:
    """Write one pair. UserError when a file cannot be read or the two differ in size."""
    path_A, path_B, path_AB = job
    for path in (path_A, path_B):
        if (kind := read_header(path).dtype) != np.uint8:
            raise UserError(f"{path} has values of type {kind}, of which a pair in one file would keep 8 bits; train "
                            "with both folders as they are: --dataset_mode aligned reads A and B beside each other")
    A, B = read_image(path_A, 3), read_image(path_B, 3)
    if A.size != B.size:
        raise UserError(f"a pair must have one size, found {path_A} with {A.width}x{A.height} and {path_B} with "
                        f"{B.width}x{B.height}; bring them to one size")
    pair = Image.new("RGB", (A.width + B.width, A.height))
    pair.paste(A, (0, 0))
    pair.paste(B, (A.width, 0))
    path_AB.parent.mkdir(parents=True, exist_ok=True)
    pair.save(path_AB, quality=100)  # which PNG ignores


if __name__ == "__main__":
    main()
