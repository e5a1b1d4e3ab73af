"""What lies where in a shard, kept in a small file beside it, or found out once and remembered."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from util.errors import UserError

ENDING = ".index"
Values = tuple[int | float | str | bool | None, ...]
"""What a picture is, as plain values: what `data.integrity.Look` says, see `data.shard_looks`."""


class BrokenShard(UserError):
    """A shard that is gone, cut off, no tar, or not what its index says: of no picture in it, but of it as a whole."""


class Member(NamedTuple):
    """A file in a shard. begin: its first byte in the shard; size: in bytes; header: CRC-32 of the 512 bytes before it.
    """

    name: str
    begin: int
    size: int
    header: int


class Index:
    """The files in a shard in the order in which they lie there: no folders, no hidden ones, links as what they lead to.

    shard_size: of the whole shard, in bytes. len(index), index.name(place), index.member(place), index.find(name).
    """

    shard_size: int

    def __len__(self) -> int:
        raise NotImplementedError

    def names(self) -> list[bytes]:
        """Of all files, as the file system has them: with folders, 'a/1.png', never '.' or '..' in it."""
        raise NotImplementedError

    def name(self, place: int) -> bytes:
        raise NotImplementedError

    def member(self, place: int) -> Member:
        raise NotImplementedError

    def find(self, name: bytes) -> int:
        """The place of that file, -1 where there is none."""
        raise NotImplementedError

    @property
    def looks(self) -> tuple[list[Values], np.ndarray]:
        """What pictures are: all different ones, and which of them each file is: int32 (files,), -1 where unknown."""
        raise NotImplementedError

    def with_looks(self, looks: Sequence[Values], which: np.ndarray) -> Index:
        """The same, with what is known of its pictures."""
        raise NotImplementedError

    def write(self, path: Path) -> None:
        """Into a file, atomically. Raises OSError."""
        raise NotImplementedError

    @classmethod
    def read(cls, path: Path) -> Index:
        """From such a file. Raises OSError, or ValueError for a damaged one and one of another version."""
        raise NotImplementedError


def index_path(shard: Path) -> Path:
    """Where the index lies beside a shard: train-000003.tar.index."""
    return shard.with_name(shard.name + ENDING)


def scan(shard: Path) -> Index:
    """The index of a shard on this machine, found by reading all headers in it; without looks. Raises BrokenShard."""
    raise NotImplementedError


def known(shard: Path) -> Index | None:
    """The index that lies beside a shard, or that is remembered of it, once a process; None where there is none.

    Raises BrokenShard where the shard is gone or not as long as the index says.
    """
    raise NotImplementedError


def load(shard: Path) -> Index:
    """The index, by a scan where it is not known, which is then remembered. Raises BrokenShard."""
    raise NotImplementedError


def remember(shard: Path, index: Index) -> None:
    """Keep an index in the user's cache, until the shard's size or date changes. One that lies beside it stays."""
    raise NotImplementedError
