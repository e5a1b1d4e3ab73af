"""Names of files: endings of two parts, and the pages of a file as files of their own."""
import os
import re
from pathlib import Path

TWO_PARTS = (".nii.gz",)
PAGE = re.compile(r"(.+)\.p([1-9]\d{0,8})")


def split_ending(name: str) -> tuple[str, str]:
    """'scan.nii.gz' to 'scan' and '.nii.gz', 'a.b.png' to 'a.b' and '.png'; the ending keeps its case."""
    for ending in TWO_PARTS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[:-len(ending)], name[-len(ending):]
    path = Path(name)
    return path.stem, path.suffix


def without_ending(path: Path) -> Path:
    """The path without the ending of its file, all of it: results and pairs are named so."""
    return path.with_name(split_ending(path.name)[0])


def page_path(path: Path, page: int) -> Path:
    """The path that stands for a page, from 1, of a file with several: 'scan.nii.gz' to 'scan.p3.nii.gz'."""
    stem, ending = split_ending(path.name)
    return path.with_name(f"{stem}.p{page}{ending}")


def split_page(path: Path) -> tuple[Path, int]:
    """The file and the page, from 1, that a path stands for. A file that is there by that name is itself, page 1."""
    stem, ending = split_ending(path.name)
    named = PAGE.fullmatch(stem)
    if named and not os.path.lexists(path):
        file = path.with_name(named[1] + ending)
        if file.is_file():
            return file, int(named[2])
    return path, 1
