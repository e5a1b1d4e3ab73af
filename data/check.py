"""What can be known of the images before the first step: are all readable, how deep, large enough, of which sizes?"""
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from data.base_dataset import BaseDataset
from data.integrity import Look, inspect_image
from data.transforms import Preprocess
from options.schema import as_sides
from raster.bad_image import BadImage
from raster.names import split_page
from raster.picture import Size
from util.errors import UserError

THREADS = 8  # each may decode an image


def check_images(dataset: BaseDataset, skip_bad: bool) -> tuple[dict[Path, Look], list[str]]:
    """What each file holds, its size as the plan will see it; and notices.

    Bad files are left out of the dataset with skip_bad. Raises UserError, naming them, without it or when nothing is
    left.
    """
    found, bad = _look_at(dataset)
    if not bad:
        return found, _pages(found)
    count = len(found) + len(bad)
    if not skip_bad:
        raise UserError(f"{len(bad)} of {count} images are bad:\n{_listed(bad, 20)}\n"
                        "repair or remove them, or leave them out with --skip_bad_images")
    dataset.leave_out({error.path for error in bad})
    if not len(dataset):
        raise UserError(f"{len(bad)} of {count} images are bad, and without them nothing is left:\n{_listed(bad, 20)}")
    shown = "; ".join(map(str, bad[:3])) + (f"; ... and {len(bad) - 3} more" if len(bad) > 3 else "")
    left = {path: found[path] for path in dataset.files()}
    return left, [f"note: {len(bad)} bad images are left out: {shown}. An epoch has {len(dataset)} samples",
                  *_pages(left)]


def check_sizes(dataset: BaseDataset, found: Mapping[Path, Size], batch_size: int) -> list[str]:
    """Notices about images that will be padded, or resized to what the network accepts.

    found: the size of each file as the plan will see it.
    Raises UserError, naming files, when images are smaller than the crop or cannot share a batch.
    """
    preprocess = dataset.preprocess
    notices = _smaller_than_crop(found, preprocess)
    if not preprocess.way.one_size:
        sources = set(dataset.sources())
        for side in (sources, found.keys() - sources):
            _refuse_mixed({preprocess.fitted(found[path]): path for path in sorted(side & found.keys())}, batch_size)
    return notices + _fitted(found, preprocess)


def _fitted(found: Mapping[Path, Size], preprocess: Preprocess) -> list[str]:
    """A notice about images whose size the network does not accept, if there are any."""
    adjusted = {preprocess.cropped(size): preprocess.fitted(size) for size in found.values()
                if preprocess.cropped(size) != preprocess.fitted(size)}
    if not adjusted:
        return []
    before, after = next(iter(adjusted.items()))
    accepted = (f"what the networks accept (multiples of {preprocess.size_multiple}, at least {preprocess.min_size} "
                "pixels)")
    example = f"for example {_by(before)} to {_by(after)}"
    if preprocess.keep_size:
        count = sum(size in adjusted for size in found.values())
        return [f"note: {count} of {len(found)} images are padded by reflection to {accepted}, {example}, and the "
                "results cropped back"]
    return [f"note: images are resized to {accepted}, {example}"
            + ("; --netG resnet_6blocks takes multiples of 4" if preprocess.size_multiple > 4 else "")]


def _look_at(dataset: BaseDataset) -> tuple[dict[Path, Look], list[BadImage]]:
    """What each good file holds, and the bad ones; shows how far it is when that takes more than two seconds."""
    def look_at(path: Path) -> Look | BadImage:
        try:
            look = inspect_image(path, dataset.opt.max_pixels)
            return look._replace(size=dataset.planned_size(path, look.size))
        except BadImage as error:
            return error

    files = list(dict.fromkeys(dataset.files()))
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(tqdm(pool.map(look_at, files), "checking", len(files), leave=False, unit=" images", delay=2,
                            disable=None))
    found = {path: look for path, look in zip(files, results, strict=True) if isinstance(look, Look)}
    return found, [error for error in results if isinstance(error, BadImage)]


def _pages(found: Mapping[Path, Look]) -> list[str]:
    """A notice about files of which only the first page or frame is read, if there are any."""
    several = {path: look.pages for path, look in found.items() if look.pages > 1 and split_page(path) == (path, 1)}
    if not several:
        return []
    path = min(several)
    return [f"note: {len(several)} of {len(found)} images have several pages or frames, such as {path} with "
            f"{several[path]}; the first of each is read, --page all takes every one"]


def _smaller_than_crop(found: Mapping[Path, Size], preprocess: Preprocess) -> list[str]:
    """A notice about images that are padded to the crop, if there are any. UserError where they may not be."""
    small = {path: size for path, size in found.items() if preprocess.too_small(size)}
    if not small:
        return []
    crop_size = as_sides(*preprocess.crop_size)
    if preprocess.pad:
        path, size = next(iter(small.items()))
        return [f"note: {len(small)} of {len(found)} images are smaller than --crop_size {crop_size} and padded by "
                f"reflection, such as {path} with {_by(size)}"]
    rows = _listed([f"{path}  {_by(size)}" for path, size in small.items()], 10)
    least = [min(sides) for sides in zip(preprocess.crop_size, *small.values(), strict=True)]
    fitting = as_sides(least[0], least[1]) if isinstance(crop_size, str) else min(least)
    raise UserError(f"{len(small)} images are smaller than --crop_size {crop_size}:\n{rows}\ngive --pad reflect, "
                    f"--crop_size {fitting} or --preprocess resize_and_crop")


def _refuse_mixed(outcomes: Mapping[Size, Path], batch_size: int) -> None:
    if len(outcomes) > 1 and batch_size > 1:
        shown = ", ".join(f"{_by(size)} ({path})" for size, path in list(outcomes.items())[:4])
        raise UserError(f"--batch_size {batch_size} needs images of one size, found {shown}; "
                        "give --batch_size 1, or a --preprocess that crops")


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _listed(rows: Iterable[object], most: int) -> str:
    lines = [f"  {row}" for row in rows]
    return "\n".join(lines[:most] + ([f"  ... and {len(lines) - most} more"] if len(lines) > most else []))
