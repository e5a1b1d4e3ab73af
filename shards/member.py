"""Files in shards by their paths: `<shard>.tar/<member>`. Safe after a fork and in threads: reads are by position."""
from __future__ import annotations

import io
import os
import posixpath
import zlib
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from shards import copies
from shards.index import BLOCK, COPY, BrokenShard, Index, Member, held, opening
from shards.names import TAR, is_remote
from util.names import split_ending

OPEN = 16  # shards that are kept open
INSIDE = f"{TAR}{os.sep}"


class Status(NamedTuple):
    """size: in bytes; date: when it was last written, in ns: of a file in a shard, the shard."""

    size: int
    date: int


def member_path(shard: Path, name: str) -> Path:
    """The path that stands for a file in a shard."""
    return shard / name


def split_member(path: Path) -> tuple[Path, str] | None:
    """The shard and the name of the file in it; None for a path that is no file in a shard."""
    text = os.fspath(path)
    begin = text.find(INSIDE)
    while begin >= 0:
        end = begin + len(TAR)
        shard = _shard(text[:end])
        if shard:
            return shard, text[end + 1:].replace(os.sep, "/")
        begin = text.find(INSIDE, end)
    return None


@lru_cache(4096)
def _shard(path: str) -> Path | None:
    """The path, unless it is that of a folder; one object for all questions, which knows its hash."""
    return None if os.path.isdir(path) else Path(path)


def sample_key(name: str) -> str:
    """What the sample is called that a file in a shard belongs to: 'a/town' for a/town.png, a/town.a.png and .b.png."""
    stem, _ = split_ending(name)
    return stem[:-2] if stem[-2:].lower() in (".a", ".b") and posixpath.basename(stem[:-2]) else stem


def read_member(path: Path, size: int | None = None) -> bytes:
    """The content of a file in a shard, or its first bytes, at most `size`.

    Raises FileNotFoundError where the shard has no such file, BrokenShard where the shard is not what its index says.
    """
    shard, index, member = _find(path)
    wanted = member.size if size is None else min(size, member.size)
    with _opened(shard, index) as file:
        found = _read(file, member.begin - BLOCK, BLOCK + wanted)
    if len(found) < BLOCK + wanted or zlib.crc32(found[:BLOCK]) != member.header:
        raise BrokenShard(shard, f"{member.name} is not where its index says: it has changed since it was indexed; "
                          f"start again to index it anew, or {COPY}")
    return found[BLOCK:]


def first_bytes(path: Path, size: int) -> bytes:
    """Of a file, in a shard or by itself, at most `size`. Raises OSError and BrokenShard."""
    if split_member(path):
        return read_member(path, size)
    with open(path, "rb") as file:
        return file.read(size)


def read_bytes(path: Path) -> bytes:
    """The content of a file, in a shard or by itself. Raises OSError and BrokenShard."""
    return read_member(path) if split_member(path) else path.read_bytes()


def open_file(path: Path) -> BinaryIO:
    """A file, in a shard or by itself, to be read. Raises OSError and BrokenShard."""
    return io.BytesIO(read_member(path)) if split_member(path) else open(path, "rb")


def source(path: Path) -> Path | BinaryIO:
    """What libraries are given that take paths and open files: the path, or the content of a file in a shard."""
    return io.BytesIO(read_member(path)) if split_member(path) else path


def mapped(path: Path, dtype: np.dtype, begin: int, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
           ) -> np.ndarray:
    """The values that lie in a file from byte `begin` on: mapped, not read; of a file in a shard in memory."""
    if not split_member(path):
        return np.memmap(path, dtype, "r", begin, shape, order)
    return np.ndarray(shape, dtype, read_member(path), begin, order=order)


def is_file(path: Path) -> bool:
    """Whether there is such a file, in a shard or by itself."""
    inside = split_member(path)
    return held(inside[0]).find(os.fsencode(inside[1])) >= 0 if inside else os.path.isfile(path)


def status(path: Path) -> Status:
    """Of a file, in a shard or by itself. Raises OSError and BrokenShard."""
    if split_member(path):
        shard, _, member = _find(path)
        return Status(member.size, copies.state_of(shard)[1])
    found = os.stat(path)
    return Status(found.st_size, found.st_mtime_ns)


def _find(path: Path) -> tuple[Path, Index, Member]:
    inside = split_member(path)
    assert inside, f"{path} is no file in a shard"
    shard, name = inside
    index = held(shard)
    place = index.find(os.fsencode(name))
    if place < 0:
        raise FileNotFoundError(2, "it is not in the shard", str(path))
    return shard, index, index.member(place)


def _opened(shard: Path, index: Index) -> AbstractContextManager[BinaryIO]:
    """A shard on this machine stays open; the copy of a remote one does not, since it takes room as long as it is."""
    return opening(shard, index.shard_size) if is_remote(shard) else nullcontext(_open(shard, index))


@lru_cache(OPEN)
def _open(shard: Path, index: Index) -> io.FileIO:
    """Open as long as it is kept here or somebody reads from it. index: another one for a shard that has changed."""
    with opening(shard, index.shard_size) as file:
        return io.FileIO(os.dup(file.fileno()))


def _read(file: BinaryIO, begin: int, size: int) -> bytes:
    found = os.pread(file.fileno(), size, begin)
    while 0 < len(found) < size and (more := os.pread(file.fileno(), size - len(found), begin + len(found))):
        found += more  # one call reads 2 GB at most
    return found
