"""Shards, whole or not at all, each with its index."""
from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from shards.index import Index, Values, index_path, scan
from util.errors import MachineError
from util.files import replacing

PIECE = 1 << 20  # bytes that are read at once


class File(NamedTuple):
    """A file of a shard. look: what is known of the picture in it, as the index keeps it; date: when it was written, in
    whole seconds since 1970."""

    name: str
    content: bytes
    look: Values | None = None
    date: int = 0


class Written(NamedTuple):
    """Of a file that was written: its name, its size in bytes, and the CRC-32 of its content."""

    name: bytes
    size: int
    checksum: int


def write_shard(shard: Path, files: Iterable[File]) -> str:
    """Write a shard and its index, and read it back; returns its SHA-256, in hexadecimal digits.

    The same files give the same bytes. One that is there is replaced when the new one is whole and on the disk; a
    process that is killed meanwhile leaves no half shard under its name, and no index that is not that of its shard.
    Raises OSError; MachineError where what is read back is not what was written.
    """
    looks = dict[Values, int]()
    written, which = list[Written](), list[int]()
    with replacing(shard) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, content, look, date in files:
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.mtime = len(content), 0o644, date
                tar.addfile(info, io.BytesIO(content))
                written.append(Written(name.encode(errors="surrogateescape"), len(content), zlib.crc32(content)))
                which.append(-1 if look is None else looks.setdefault(look, len(looks)))
        file.flush()
        index = _read_back(Path(file.name), file, shard, written)
        digest = sha256(file)
        index_path(shard).unlink(missing_ok=True)  # a shard is there without an index rather than with another one
    index.with_values(list(looks), np.array(which, np.int32)).write(index_path(shard))
    return digest


def sha256(file: BinaryIO) -> str:
    """Of an open file, from its beginning."""
    digest = hashlib.sha256()
    file.seek(0)
    while content := file.read(PIECE):
        digest.update(content)
    return digest.hexdigest()


def _read_back(temporary: Path, file: BinaryIO, shard: Path, written: list[Written]) -> Index:
    """The index of what lies on the disk. MachineError unless that is what was written."""
    index = scan(temporary)
    found = []
    for place in range(len(index)):
        member = index.member(place)
        file.seek(member.begin)
        found.append(Written(index.name(place), member.size, zlib.crc32(file.read(member.size))))
    if found != written:
        wrong = next((one.name.decode(errors="replace") for one, other in zip(written, found, strict=False)
                      if one != other), f"{len(found)} of {len(written)} files")
        raise MachineError(f"{shard}: {wrong} was read back otherwise than it was written; are the disk and the memory "
                           "sound?")
    return index
