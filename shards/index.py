"""What lies where in a shard, kept in a small file beside it, or found out once and remembered."""
from __future__ import annotations

import hashlib
import json
import os
import posixpath
import tarfile
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from shards import copies
from shards.names import is_remote, url_of
from shards.remote import Missing
from util.errors import UserError
from util.files import replacing
from util.user_cache import user_cache

ENDING = ".index"
FORMAT = 1  # of the file; another one, or other words about pictures, need another number
BLOCK = 512  # bytes: what a tar is made of
PACKERS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstandard"}
COPY = "copy it here again, or write it again"
Values = tuple[int | float | str | bool | None, ...]
"""What a picture is, in plain values: see data/shard_looks.py."""


class BrokenShard(UserError):
    """A shard that is gone, cut off, no tar, or not what its index says: as a whole, not a picture in it."""

    def __init__(self, shard: Path, reason: str):
        super().__init__(shard, reason)
        self.shard, self.reason = shard, reason

    def __str__(self) -> str:
        return f"the shard {url_of(self.shard)} cannot be read: {self.reason}"


class Member(NamedTuple):
    """A file in a shard. begin: its first byte there; size: in bytes; header: CRC-32 of the 512 bytes before it, which
    say its name, size and date.
    """

    name: str
    begin: int
    size: int
    header: int


class Index:
    """The files in a shard in the order in which they lie: no folders, no hidden ones; a link is what it leads to.

    shard_size: of the whole shard, in bytes. values: what pictures are, all different ones; which: int32 (files,),
    whose places in `values` those of each file are, -1 where that is not known.
    """

    def __init__(self, members: Sequence[Member], shard_size: int):
        """Raises ValueError for members of the same name."""
        names = [os.fsencode(member.name) for member in members]
        self.shard_size, self.values = shard_size, list[Values]()
        self._names = b"".join(names)
        self._ends = np.cumsum([0, *map(len, names)], dtype=np.int64)
        self._begins = np.array([member.begin for member in members], np.int64)
        self._sizes = np.array([member.size for member in members], np.int64)
        self._headers = np.array([member.header for member in members], np.uint32)
        self._order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int32)
        self.which = np.full(len(names), -1, np.int32)
        twice = next((one for one, other in pairwise(self._order) if names[one] == names[other]), None)
        if twice is not None:
            raise ValueError(f"it holds {members[twice].name} twice")

    def __len__(self) -> int:
        return len(self._begins)

    def names(self) -> list[bytes]:
        """Of all files, as the file system has them, with their folders: 'a/1.png', never '.' or '..' in it."""
        ends = self._ends.tolist()
        return [self._names[begin:end] for begin, end in pairwise(ends)]

    def name(self, place: int) -> bytes:
        """Of one file."""
        ends = self._ends.data  # which is asked for one of them faster than the array
        return self._names[ends[place]:ends[place + 1]]

    def member(self, place: int) -> Member:
        """Where one file lies."""
        return Member(os.fsdecode(self.name(place)), self._begins.data[place], self._sizes.data[place],
                      self._headers.data[place])

    def find(self, name: bytes) -> int:
        """The place of that file, -1 where there is none."""
        order = self._order.data
        at = bisect_left(order, name, key=self.name)
        return order[at] if at < len(self) and self.name(order[at]) == name else -1

    def with_values(self, values: Sequence[Values], which: np.ndarray) -> Index:
        """The same, with what is known of its pictures."""
        other = object.__new__(Index)
        other.__dict__.update(self.__dict__, values=list(values), which=np.asarray(which, np.int32))
        return other

    def write(self, path: Path, date: int = 0) -> None:
        """Into a file, atomically. date: of the shard, in ns, where the index is only good for that. Raises OSError."""
        about = json.dumps({"format": FORMAT, "shard": self.shard_size, "date": date, "values": self.values})
        with replacing(path) as file:
            np.savez(file, about=np.frombuffer(about.encode(), np.uint8), names=np.frombuffer(self._names, np.uint8),
                     ends=self._ends, begins=self._begins, sizes=self._sizes, headers=self._headers, order=self._order,
                     which=self.which)

    @classmethod
    def read(cls, path: Path) -> tuple[Index, int]:
        """From such a file, with the date. Raises OSError, or ValueError for a damaged one, another version's, and one
        whose names lead out of the shard: it may come from anywhere.
        """
        index = object.__new__(cls)
        try:
            with np.load(path, allow_pickle=False) as held:  # which compares a checksum
                about = json.loads(held["about"].tobytes())
                if about["format"] != FORMAT:
                    raise ValueError(f"it is of version {about['format']}")
                index.shard_size, index.values = about["shard"], [tuple(one) for one in about["values"]]
                index._names, index._ends, index._order = held["names"].tobytes(), held["ends"], held["order"]
                index._begins, index._sizes, index._headers = held["begins"], held["sizes"], held["headers"]
                index.which = held["which"]
                index._require_sound()
                return index, about["date"]
        except (KeyError, TypeError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"it is damaged: {error}") from None

    def _require_sound(self) -> None:
        """ValueError for what `scan` never finds."""
        count, ends = len(self._begins), self._ends
        if any(len(one) != count for one in (ends[1:], self._sizes, self._headers, self._order, self.which)):
            raise ValueError("it is damaged: it says more of some files than of others")
        if ends[0] != 0 or ends[-1] != len(self._names) or (np.diff(ends) <= 0).any() or (
                np.sort(self._order) != np.arange(count)).any():
            raise ValueError("it is damaged: its names have other lengths, or another order")
        if (self._begins < BLOCK).any() or (self._sizes < 0).any() or (
                self._sizes > self.shard_size - self._begins).any() or (self.which >= len(self.values)).any():
            raise ValueError("it is damaged: files in it lie outside of the shard")
        parts = b"".join(b"\0" + name for name in self.names()).replace(b"/", b"\0") + b"\0"
        if b"\0" in self._names or any(part in parts for part in (b"\0\0", b"\0.\0", b"\0..\0")):
            raise ValueError("names in it lead out of the shard")


def index_path(shard: Path) -> Path:
    """Where the index lies beside a shard: train-000003.tar.index."""
    return shard.with_name(shard.name + ENDING)


def scan(shard: Path) -> Index:
    """The index of a shard, found by reading all headers in it. Raises BrokenShard."""
    with opening(shard) as file:
        size = os.fstat(file.fileno()).st_size
        begin = file.read(8)
        packed = next((name for magic, name in PACKERS.items() if begin.startswith(magic)), None)
        if packed:
            raise ValueError(f"it is compressed with {packed}; images are read out of the middle of a shard, so unpack "
                             "it to a plain .tar")
        if not size:
            raise ValueError(f"it is empty; {COPY}")
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                members = [*_members(tar, file.fileno())]
                end = os.pread(file.fileno(), BLOCK, tar.offset)
        except (tarfile.TarError, OverflowError) as error:
            short = "unexpected end" in str(error) or "truncated" in str(error)
            reason = f"it is {'cut off' if short else 'no tar file'} ({error})"
            raise ValueError(f"{reason}; {COPY}") from None
        if end != bytes(BLOCK):
            what = "damaged" if end.strip(bytes(1)) else "cut off"
            raise ValueError(f"it is {what} behind byte {tar.offset}; {COPY}")
        return Index(members, size)


def _members(tar: tarfile.TarFile, number: int) -> Iterator[Member]:
    """The files in an open shard. ValueError for those that cannot be read by position, or have no safe name."""
    found: dict[str, Member] = {}
    while (entry := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # which would keep all
        if entry.size < 0 or tar.offset < entry.offset_data:
            raise ValueError(f"it is damaged: {entry.name} in it has {entry.size} bytes; {COPY}")  # a loop without end
        if not (entry.isreg() or entry.islnk()):
            continue
        if entry.sparse is not None:
            raise ValueError(f"{entry.name} in it is stored sparse; write the shard again without --sparse")
        name = posixpath.normpath(entry.name)
        if name.startswith(("/", "../")) or name in (".", "..") or "\0" in name:
            raise ValueError(f"{entry.name!r} in it leads out of it, or is no name of a file; write the shard again "
                             "with names below its top")
        if entry.islnk():
            target = found.get(posixpath.normpath(entry.linkname))
            if target is None:
                raise ValueError(f"{entry.name} in it is a link to {entry.linkname}, which is not before it")
            member = target._replace(name=name)
        else:
            header = os.pread(number, BLOCK, entry.offset_data - BLOCK)
            member = Member(name, entry.offset_data, entry.size, zlib.crc32(header))
        found[name] = member
        if not name.startswith(".") and "/." not in name:
            yield member


@contextmanager
def opening(shard: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """The shard's file on this machine, open; BrokenShard for what goes wrong. size: in bytes, when it was indexed."""
    try:
        with copies.opened(shard) as file:
            found = os.fstat(file.fileno()).st_size
            if size not in (None, found):
                raise ValueError(f"it has {found} bytes, and had {size} when it was indexed; start again to index it "
                                 f"anew, or {COPY}")
            yield file
    except FileNotFoundError:
        raise BrokenShard(shard, f"it is gone; {COPY}") from None
    except (OSError, ValueError) as error:
        raise BrokenShard(shard, getattr(error, "strerror", None) or str(error)) from None


class _Standing(NamedTuple):
    """How a shard was found."""

    size: int
    date: int

    @classmethod
    def of(cls, shard: Path) -> _Standing:
        try:
            return cls(*copies.state_of(shard))
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            raise BrokenShard(shard, f"it is gone; {COPY}" if gone else str(error.strerror)) from None


_of_this_process: dict[Path, tuple[_Standing, Index]] = {}  # children that are forked share it


def known(shard: Path) -> Index | None:
    """The index that lies beside a shard, or that is remembered of it; None where there is none.

    Raises BrokenShard where the shard is gone, or not as long as the index beside it says.
    """
    standing = _Standing.of(shard)
    here = _of_this_process.get(shard)
    if here and here[0] == standing:
        return here[1]
    index = _remembered(shard, standing)
    if index is None or not index.values:  # the one beside it may know more
        index = _beside(shard, standing) or index
    if index is not None:
        _of_this_process[shard] = standing, index
    return index


def load(shard: Path) -> Index:
    """The index, by a scan where it is not known, which is then remembered. Raises BrokenShard."""
    index = known(shard)
    if index is None:
        index = scan(shard)
        remember(shard, index)
    return index


def held(shard: Path) -> Index:
    """The index that this process has got, whatever has become of the shard since; else as `load`."""
    here = _of_this_process.get(shard)
    return here[1] if here else load(shard)


def remember(shard: Path, index: Index) -> None:
    """Keep an index in the user's cache, until the shard's size or date changes. One that lies beside it stays."""
    standing = _Standing.of(shard)
    _of_this_process[shard] = standing, index
    with suppress(OSError):  # a cache is never worth an error
        index.write(_cached(shard), standing.date)


def forget(shards: Iterable[Path]) -> None:
    """Read the indexes of these anew when they are asked for."""
    for shard in shards:
        _of_this_process.pop(shard, None)


def _cached(shard: Path) -> Path:
    name = shard if is_remote(shard) else os.path.abspath(shard)
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return user_cache() / "shards" / f"{digest}{ENDING}"


def _remembered(shard: Path, standing: _Standing) -> Index | None:
    with suppress(OSError, ValueError):
        index, date = Index.read(_cached(shard))
        if (index.shard_size, date) == standing:
            return index
    return None


def _beside(shard: Path, standing: _Standing) -> Index | None:
    path = index_path(shard)
    try:
        index, _ = Index.read(copies.local(path))
    except (OSError, ValueError, Missing):
        return None
    if index.shard_size != standing.size:
        raise BrokenShard(shard, f"it has {standing.size} bytes, and its index {path} says {index.shard_size}: it was "
                          f"cut off, or has changed since it was indexed; {COPY}, or delete the index if the shard is "
                          "right")
    return index
