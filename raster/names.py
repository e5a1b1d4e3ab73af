"""The pages of a file as files of their own, by their names."""
import os
import re
from pathlib import Path

from shards.member import is_file, split_member
from util.names import split_ending

PAGE = re.compile(r"(.+)\.p([1-9]\d{0,8})")


def page_path(path: Path, page: int) -> Path:
    """The path that stands for a page, from 1, of a file with several: 'scan.nii.gz' to 'scan.p3.nii.gz'."""
    stem, ending = split_ending(path.name)
    return path.with_name(f"{stem}.p{page}{ending}")


def page_paths(path: Path, pages: int) -> list[Path]:
    """Paths that stand for all pages of a file: name.p1.tif, name.p2.tif. Of a single one its own."""
    return [path] if pages == 1 else [page_path(path, page) for page in range(1, pages + 1)]


def split_page(path: Path) -> tuple[Path, int]:
    """The file and the page, from 1, that a path stands for. A file that is there by that name is itself, page 1."""
    stem, ending = split_ending(path.name)
    named = PAGE.fullmatch(stem)
    if named and not _is_there(path):
        file = path.with_name(named[1] + ending)
        if is_file(file):
            return file, int(named[2])
    return path, 1


def _is_there(path: Path) -> bool:
    return is_file(path) if split_member(path) else os.path.lexists(path)
