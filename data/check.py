"""What can be known of the images before the first step: are all readable, how deep, large enough, of which sizes?"""
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.base_dataset import BaseDataset
from data.integrity import Look, inspect_image
from data.known_good import KnownGood
from data.paths import Paths
from data.per_file import PerFile
from data.shard_looks import KnownInShards, are_in_shards
from data.transforms import Preprocess
from data.workers import looking_processes
from options.schema import as_sides
from raster.bad_image import BadImage
from raster.names import split_page
from raster.picture import Size
from util.errors import UserError
from util.torchrun import local_world_size

THREADS = 8  # of all processes together; each may decode an image
FEW = 4096  # files for which no processes are started
CHUNK = 256  # files that are handed over at once
SAVED_EVERY = 20.0  # seconds of checking
WORTH = 1.0  # seconds of checking that are worth being remembered


def check_images(dataset: BaseDataset, skip_bad: bool) -> tuple[PerFile[Look], list[str]]:
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
    left = found.only(found.among(dataset.files()))
    return left, [f"note: {len(bad)} bad images are left out: {shown}. An epoch has {len(dataset)} samples",
                  *_pages(left)]


def check_sizes(dataset: BaseDataset, found: Mapping[Path, Size], batch_size: int) -> list[str]:
    """Notices about images that will be padded, or resized to what the network accepts.

    found: the size of each file as the plan will see it.
    Raises UserError, naming files, when images are smaller than the crop or cannot share a batch.
    """
    preprocess, found = dataset.preprocess, PerFile.of(found)
    notices = _smaller_than_crop(found, preprocess)
    if not preprocess.way.one_size:
        of_sources = found.among(dataset.sources())
        for side in (of_sources, ~of_sources):
            _refuse_mixed(found.only(side).map(preprocess.fitted).firsts(), batch_size)
    return notices + _fitted(found, preprocess)


def _fitted(found: PerFile[Size], preprocess: Preprocess) -> list[str]:
    """A notice about images whose size the network does not accept, if there are any."""
    adjusted = {size: count for size, count in found.counts().items()
                if preprocess.cropped(size) != preprocess.fitted(size)}
    if not adjusted:
        return []
    first = next(size for size in found.firsts() if size in adjusted)
    accepted = (f"what the networks accept (multiples of {preprocess.size_multiple}, at least {preprocess.min_size} "
                "pixels)")
    example = f"for example {_by(preprocess.cropped(first))} to {_by(preprocess.fitted(first))}"
    if preprocess.keep_size:
        return [f"note: {sum(adjusted.values())} of {len(found)} images are padded by reflection to {accepted}, "
                f"{example}, and the results cropped back"]
    return [f"note: images are resized to {accepted}, {example}"
            + ("; --netG resnet_6blocks takes multiples of 4" if preprocess.size_multiple > 4 else "")]


def _look_at(dataset: BaseDataset) -> tuple[PerFile[Look], list[BadImage]]:
    """What each good file holds, and the bad ones; shows how far it is when that takes more than two seconds.

    Files that were found good before, and have not changed since, are not opened. What is found is remembered now and
    then, and when it ends, in whatever way.
    """
    files, max_pixels = Paths.of(dataset.files()).unique(), dataset.opt.max_pixels
    known = KnownInShards(max_pixels) if are_in_shards(files) else KnownGood(dataset.root, max_pixels)
    bad = dict[int, BadImage]()
    with tqdm(total=len(files), desc="checking", leave=False, unit=" images", delay=2, disable=None) as bar:
        names = files.names()
        own = known.marks(names)
        which = known.find(own)
        unknown = np.flatnonzero(which < 0)
        bar.update(len(files) - len(unknown))
        begun = saved = time.perf_counter()
        chunks = [unknown[begin:begin + CHUNK] for begin in range(0, len(unknown), CHUNK)]
        try:
            with _inspecting(len(unknown), max_pixels) as inspect:
                found = inspect([names[place] for place in chunk] for chunk in chunks)
                for chunk, looks in zip(chunks, found, strict=True):
                    for place, look in zip(chunk.tolist(), looks, strict=True):
                        if isinstance(look, Look):
                            which[place] = known.place(look)
                        else:
                            bad[place] = look
                    bar.update(len(chunk))
                    if time.perf_counter() - saved > SAVED_EVERY:
                        known.save(own, which)
                        saved = time.perf_counter()
        finally:
            if len(unknown) > len(bad) and time.perf_counter() - begun > WORTH:
                known.save(own, which)
    good = PerFile(files, list(known.looks), which).only(which >= 0)
    return _as_planned(good, dataset), [bad[place] for place in sorted(bad)]


def _as_planned(found: PerFile[Look], dataset: BaseDataset) -> PerFile[Look]:
    """With the sizes that the plan will see."""
    paths = found.map(lambda look: look.size).firsts()
    sizes = {size: dataset.planned_size(path, size) for size, path in paths.items()}
    return found.used().map(lambda look: look._replace(size=sizes[look.size]))


Looked = list[Look | BadImage]


@contextmanager
def _inspecting(count: int, max_pixels: float) -> Iterator[Callable[[Iterable[list[bytes]]], Iterator[Looked]]]:
    """What looks at names in lists, in order: for many files in several processes. count: of all files.

    MachineError when a process dies.
    """
    processes = max(1, (os.cpu_count() or 1) // local_world_size()) if count > FEW else 1
    look_at = partial(_inspect, max_pixels=max_pixels, threads=max(1, THREADS // processes))
    if processes == 1:
        yield partial(map, look_at)
        return
    with looking_processes(processes, "a smaller --max_pixels needs less") as pool:
        yield partial(_in_turn, pool, look_at, 4 * processes)


def _in_turn(pool: Executor, work: Callable[[list[bytes]], Looked], ahead: int, tasks: Iterable[list[bytes]]
             ) -> Iterator[Looked]:
    """The results in order, while at most `ahead` tasks wait: as many as there are files would fill the memory."""
    waiting = deque[Future[Looked]]()
    for task in tasks:
        waiting.append(pool.submit(work, task))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _inspect(names: list[bytes], max_pixels: float, threads: int) -> Looked:
    """What these files hold; looks that are equal are one and the same, which is sent to another process once."""
    same: dict[Look, Look] = {}

    def look_at(name: bytes) -> Look | BadImage:
        try:
            look = inspect_image(Path(os.fsdecode(name)), max_pixels)
            return same.setdefault(look, look)
        except BadImage as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(look_at, names))


def _pages(found: PerFile[Look]) -> list[str]:
    """A notice about files of which only the first page or frame is read, if there are any."""
    several = {path: look.pages for path, look in found.where(lambda look: look.pages > 1).items()
               if split_page(path) == (path, 1)}
    if not several:
        return []
    path = min(several)
    return [f"note: {len(several)} of {len(found)} images have several pages or frames, such as {path} with "
            f"{several[path]}; the first of each is read, --page all takes every one"]


def _smaller_than_crop(found: PerFile[Size], preprocess: Preprocess) -> list[str]:
    """A notice about images that are padded to the crop, if there are any. UserError where they may not be."""
    small = found.where(preprocess.too_small)
    if not small:
        return []
    crop_size = as_sides(*preprocess.crop_size)
    if preprocess.pad:
        path, size = next(iter(small.items()))
        return [f"note: {len(small)} of {len(found)} images are smaller than --crop_size {crop_size} and padded by "
                f"reflection, such as {path} with {_by(size)}"]
    rows = _listed([f"{path}  {_by(size)}" for path, size in small.items()], 10)
    least = [min(sides) for sides in zip(preprocess.crop_size, *small.counts(), strict=True)]
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
