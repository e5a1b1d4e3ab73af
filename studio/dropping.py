"""From dropped pictures to a folder that can be trained on."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from data.aligned_dataset import match
from data.folders import PHASES, list_images, sides_inside
from studio.home import Home, require_name
from studio.unpacking import Limits, unpack
from util.errors import UserError
from util.files import temporary_beside

JOINED, APART, PILES = "joined", "apart", "piles"
LAYOUTS = {JOINED: "pairs, both pictures in one file", APART: "pairs, in two sets of files", PILES: "two piles"}
SPLITS = {f"{phase}{side}" for phase in PHASES for side in ("", "A", "B")}


def make_set(home: Home, name: str, layout: str, first: Sequence[Path], second: Sequence[Path], share: float,
             limits: Limits | None = None) -> tuple[Path, list[str]]:
    """A new folder of the home from pictures or zips of them; returns it, and notices.

    layout: JOINED, each picture a pair A|B side by side; APART, the files of A and those of B with equal names; PILES,
    A and B without pairs. second: those of B; none where a zip among the first has folders A and B. A zip with the
    folders of a dataset, such as train and test, stays as it is. share: of the pictures, 0 to 1, is put aside to test.
    The folder appears when it is complete; what exists is never touched.
    Raises UserError for a name that is taken, and for pictures that do not make such a set.
    """
    place = home.datasets[0] / require_name(name, "folder of pictures")
    if home.inside(place).exists():
        raise UserError(f"there is a folder {place.name} already; give another name")
    if not first:
        raise UserError("no pictures were dropped; drop pictures, or a zip of them")
    with _appearing(place) as new:
        notices = unpack(first, new / "dropped", limits)
        root = _without_wrapping(new / "dropped")
        made = new / "made"
        if any(folder.name in SPLITS for folder in root.iterdir() if folder.is_dir()):
            os.replace(root, made)
        elif layout == JOINED:
            if all(sides_inside(root)):
                raise UserError("there are two folders A and B in it, so A and B are files of their own: say above "
                                "whether they are pairs with equal names, or two piles")
            _share_out(list_images(root), root, made, "", share)
        else:
            inside = sides_inside(root)
            if second:
                notices += unpack(second, new / "second", limits)
                sides = root, _without_wrapping(new / "second")
            elif inside[0] and inside[1]:
                sides = inside[0], inside[1]
            else:
                raise UserError("the pictures of B are missing: drop those of A on the left and those of B on the "
                                "right, or one zip with two folders that are called A and B")
            notices += _two_sides(*sides, made, layout, share)
    return place, notices


@contextmanager
def _appearing(place: Path) -> Iterator[Path]:
    """A folder to work in; what is in it as `made` is at its place in the end."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = temporary_beside(place)
    try:
        new.mkdir()
        yield new
        os.replace(new / "made", place)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _without_wrapping(folder: Path) -> Path:
    """The folder below those that hold nothing but one folder."""
    while True:
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name in SPLITS:
            return folder
        folder = inside[0]


def _two_sides(first: Path, second: Path, made: Path, layout: str, share: float) -> list[str]:
    """The pictures of A and B as train and test; returns notices."""
    if layout == PILES:
        _share_out(list_images(first), first, made, "A", share)
        _share_out(list_images(second), second, made, "B", share)
        return []
    pairs, notices = match(first, second)
    for side, root, paths in zip(("/A", "/B"), (first, second), zip(*pairs, strict=True), strict=True):
        _share_out(paths, root, made, side, share)
    return [notice.replace(f"{made.parent}{os.sep}", "") for notice in notices]


def _share_out(paths: Sequence[Path], root: Path, made: Path, side: str, share: float) -> None:
    """Move the pictures below `root` to the folders train and test of a side, '' for pairs in one file."""
    aside = _chosen(len(paths), share)
    for number, path in enumerate(paths):
        target = Path(f"{made / ('test' if number in aside else 'train')}{side}", path.relative_to(root))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)


def _chosen(count: int, share: float) -> set[int]:
    """Which of so many pictures are put aside, from all over them: one at least, but never the only one."""
    aside = min(count - 1, max(1, round(count * share))) if share > 0 else 0
    return {(2 * number + 1) * count // (2 * aside) for number in range(aside)}

