"""Which shards a --dataroot means, and which of them hold what."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable
from glob import escape, has_magic, iglob
from itertools import product
from pathlib import Path
from typing import NamedTuple

from util.errors import UserError

TAR = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
SCHEMES = ("s3", "https", "http")
BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
NUMBER = re.compile(r"\d+")
MOST = 1_000_000  # shards


class Shards(NamedTuple):
    """The shards of a phase, in order. both: those of no side; A, B: those of one side."""

    both: list[Path]
    A: list[Path]
    B: list[Path]

    def __bool__(self) -> bool:
        return any(self.both or self.A or self.B)


def is_pattern(dataroot: str) -> bool:
    """Whether the word alone says that it means shards: *.tar, with or without braces and globs, here or by a URL."""
    return dataroot.lower().endswith((TAR, *PACKED)) or is_remote(Path(dataroot))


def is_remote(path: Path) -> bool:
    """Whether a path stands for a URL."""
    return os.fspath(path).partition(":")[0].lower() in SCHEMES and ":" in path.parts[0]


def path_of(url: str) -> Path:
    """The path that stands for a URL: s3://bucket/x.tar to s3:/bucket/x.tar."""
    return Path(url)


def url_of(path: Path) -> str:
    """The URL that a remote path stands for."""
    scheme, _, rest = path.as_posix().partition(":/")
    return f"{scheme}://{rest.lstrip('/')}"


def expand(pattern: str) -> list[Path]:
    """The shards that a pattern names, in the order of its braces, those of a glob in natural order.

    Raises UserError where there is none, for compressed ones, and for globs in a URL.
    """
    raise NotImplementedError


def shards_in(folder: Path) -> list[Path]:
    """The shards in a folder, in natural order; none where it is missing."""
    raise NotImplementedError


def find_shards(dataroot: str, phase: str) -> Shards:
    """The shards of a phase in a folder, and those of a pattern, whose phase is not asked for: by the names of sets,
    which are those of the files without the number at their end, or, of files that are only a number, of their folder.
    """
    raise NotImplementedError
