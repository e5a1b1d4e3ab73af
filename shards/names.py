"""Which shards a --dataroot means, and which of them hold what."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from glob import glob, has_magic
from itertools import product
from pathlib import Path

from shards.remote import inside, matching
from util.errors import UserError

TAR = ".tar"
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")
SCHEMES = ("s3", "https", "http")
URL = re.compile(rf"({'|'.join(SCHEMES)}):/+", re.IGNORECASE)
BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
NUMBERED = re.compile(r"(.*?)([-_.]?\d+)?([-_.]of[-_.]\d+)?")  # train-000003, train-000003-of-000100
DIGITS = re.compile(r"(\d+)")
MOST = 1_000_000  # shards that a pattern may name
SHOWN = 10


def is_pattern(dataroot: str) -> bool:
    """Whether the word alone says that it means shards: *.tar, with or without braces and globs, here or by a URL.

    A folder of that name is none.
    """
    return dataroot.lower().endswith((TAR, *PACKED)) and not os.path.isdir(dataroot)


def is_remote(path: Path) -> bool:
    """Whether a path stands for a URL."""
    return URL.match(path.as_posix()) is not None


def path_of(url: str) -> Path:
    """The path that stands for a URL: s3://bucket/x.tar becomes s3:/bucket/x.tar."""
    return Path(url)


def url_of(path: Path) -> str:
    """The URL that a remote path stands for; a local one as it is."""
    return URL.sub(lambda found: f"{found[1].lower()}://", path.as_posix(), count=1)


def expand(pattern: str) -> list[Path]:
    """The shards that a pattern names, in the order of its braces, those of a glob in natural order.

    Raises UserError where one of them is not there, for compressed ones, and for one that names no shard. Whether all
    that a URL with braces names are there turns out when they are read.
    """
    if pattern.lower().endswith(PACKED):
        raise UserError(f"--dataroot {pattern}: images are read out of the middle of shards, which a compressed one "
                        "does not allow; unpack it to a .tar (images are compressed as they are): gunzip FILE.tar.gz")
    if not pattern.lower().endswith(TAR):
        raise UserError(f"--dataroot {pattern} names no shards; expected files that end in .tar, such as "
                        f"{pattern.rstrip('/')}/train-{{000000..000099}}.tar")
    remote = is_remote(Path(pattern))
    found: list[Path] = []
    for word in _words(pattern):
        if has_magic(word) and not os.path.exists(word):
            found += natural(map(path_of, matching(word) if remote else glob(word)))
        else:
            found.append(path_of(word))
    _require_there(pattern, found, remote)
    return list(dict.fromkeys(found))


def _words(pattern: str) -> Iterator[str]:
    """The pattern with each choice of its braces, the last one changing fastest, as a shell does it."""
    parts = BRACES.split(pattern)  # text, inside of braces, text, ...
    choices = [_choices(part) if number % 2 else [part] for number, part in enumerate(parts)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > MOST:
        raise UserError(f"--dataroot {pattern} names {count} shards, more than {MOST}")
    return map("".join, product(*choices))


def _choices(inside: str) -> list[str]:
    numbers = RANGE.fullmatch(inside)
    if numbers:
        first, last = map(int, numbers.groups())
        width = max(map(len, numbers.groups())) if any(one[0] == "0" != one for one in numbers.groups()) else 0
        step = 1 if last >= first else -1
        if abs(last - first) >= MOST:
            raise UserError(f"{{{inside}}} are {abs(last - first) + 1} shards, more than {MOST}")
        return [str(number).zfill(width) for number in range(first, last + step, step)]
    return inside.split(",") if "," in inside else [f"{{{inside}}}"]


def _require_there(pattern: str, found: list[Path], remote: bool) -> None:
    """UserError unless the pattern names files, and all of them are there."""
    missing = [] if remote else [path for path in found if not path.is_file()]
    if found and not missing:
        return
    folder = found[0].parent if found else Path(pattern).parent
    there = [path.name for path in shards_in(folder)]
    beside = (f"; in {folder} there are: {', '.join(there[:SHOWN])}{', ...' * (len(there) > SHOWN)}" if there else
              f"; there are no shards in {folder}")
    listed = "".join(f"\n  {path}" for path in missing[:SHOWN]) + "\n  ..." * (len(missing) > SHOWN)
    if not found:
        raise UserError(f"--dataroot {pattern} names no file{beside}")
    raise UserError(f"--dataroot {pattern}: {len(missing)} of {len(found)} shards are not there{beside}. "
                    f"Missing:{listed}")


def shards_in(folder: Path) -> list[Path]:
    """The shards in a folder, in natural order; none where it is missing."""
    if is_remote(folder):
        return natural(path_of(url) for url in inside(url_of(folder)) if url.lower().endswith(TAR))
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return natural(folder / entry.name for entry in entries
                       if entry.name.lower().endswith(TAR) and not entry.name.startswith(".") and entry.is_file())


def all_shards(dataroot: str) -> list[Path]:
    """Those that a pattern names, or those in a folder and below it, in natural order."""
    if is_pattern(dataroot):
        return expand(dataroot)
    return [shard for folder in _folders(Path(dataroot), 2) for shard in shards_in(folder)]


def find_shards(dataroot: str, phase: str, side: str = "") -> list[Path]:
    """The shards of a phase, and of a side of it, 'A' or 'B'.

    Of a folder those that are called so (train-000003.tar, trainA-000003.tar) or lie in a folder that is (train/,
    trainA/, train/A/). Those of a pattern are taken whatever their phase; of a side those whose name, or the folder's
    where that is a number only, ends in its letter.
    """
    if is_pattern(dataroot):
        return [shard for shard in expand(dataroot) if not side or set_of(shard).endswith(side)]
    root = Path(dataroot)
    named = re.compile(rf"{re.escape(phase + side)}([-_.].*|\d*)")
    found = [shard for shard in shards_in(root) if named.fullmatch(shard.stem)]
    folders = [root / f"{phase}{side}", *([root / phase / side] if side else [])]
    return found + [shard for folder in folders for shard in shards_in(folder)]


def sets_in(folder: Path) -> set[str]:
    """What the shards in a folder are called without their numbers: trainA for trainA-000003.tar."""
    return {set_of(shard) for shard in shards_in(folder)}


def set_of(shard: Path) -> str:
    """The shard's name without the number at its end; the name of its folder where it is a number only."""
    found = NUMBERED.fullmatch(shard.stem)
    return (found[1] if found else shard.stem) or shard.parent.name


def natural(paths: Iterable[Path]) -> list[Path]:
    """Sorted, numbers in names by their value."""
    def key(path: Path) -> tuple[list[tuple[int, str]], str]:
        words = DIGITS.split(path.as_posix())  # text, number, text, ...
        return [(int(word), word) if at % 2 else (-1, word.lower()) for at, word in enumerate(words)], path.as_posix()

    return sorted(paths, key=key)


def _folders(root: Path, depth: int) -> list[Path]:
    """The folder, and those in it down to `depth`; of a remote one none."""
    if is_remote(root):
        return [root]
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        below = natural(root / entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    return [root, *(folder for one in below if depth for folder in _folders(one, depth - 1))]
