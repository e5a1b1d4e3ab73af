"""Files in shards by their paths: `<shard>.tar/<member>`. Safe after a fork and in threads: reads are by position."""
from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple


class Status(NamedTuple):
    """size: in bytes; date: when it was last written, in ns: of a file in a shard, the shard."""

    size: int
    date: int


def member_path(shard: Path, name: str) -> Path:
    """The path that stands for a file in a shard."""
    return shard / name


def split_member(path: Path) -> tuple[Path, str] | None:
    """The shard and the name of the file in it; None for a path that is no file in a shard."""
    raise NotImplementedError


def read_member(path: Path) -> bytes:
    """The content of a file in a shard.

    Raises FileNotFoundError where the shard has no such file, BrokenShard where the shard is not what its index says.
    """
    raise NotImplementedError


def open_file(path: Path) -> BinaryIO:
    """A file, in a shard or by itself, to be read. Raises OSError and BrokenShard."""
    raise NotImplementedError


def is_file(path: Path) -> bool:
    """Whether there is such a file, in a shard or by itself."""
    raise NotImplementedError


def status(path: Path) -> Status:
    """Of a file, in a shard or by itself. Raises OSError and BrokenShard."""
    raise NotImplementedError
