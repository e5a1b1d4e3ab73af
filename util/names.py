"""Names of files without their endings, which may have two parts."""
import os
from pathlib import PurePath
from typing import TypeVar

TWO_PARTS = (".nii.gz",)
AnyPath = TypeVar("AnyPath", bound=PurePath)


def split_ending(name: str) -> tuple[str, str]:
    """'a/scan.nii.gz' to 'a/scan' and '.nii.gz', 'a.b.png' to 'a.b' and '.png'; the ending keeps its case."""
    for ending in TWO_PARTS:
        if name.lower().endswith(ending):
            return name[:-len(ending)], name[-len(ending):]
    return os.path.splitext(name)


def without_ending(path: AnyPath) -> AnyPath:
    """The path without the ending of its file, all of it."""
    return path.with_name(split_ending(path.name)[0] or path.name)
