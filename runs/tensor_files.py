"""Tensors in files, written as they are serialised and read as they are unpickled: no copy of them all in memory.

A checked file is an ordinary torch.save archive whose zip comment is the SHA-256 of everything before the comment.
"""
import hashlib
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Protocol

import torch

CHECKSUM_BYTES = 64  # SHA-256 in hexadecimal
COMMENT_LENGTH = struct.Struct("<H")  # a zip archive ends with the length of its comment, and the comment
BLOCK = 1 << 20  # bytes that are read at once, or are worth a thread


class Sink(Protocol):
    """Where torch.save writes to."""

    def write(self, data: memoryview, /) -> int:
        """Takes all of `data`, which may be a tensor's own memory and belongs to torch when this returns."""

    def flush(self) -> None:
        """torch calls it at the end."""


def write_tensors(content: Any, file: Sink | BinaryIO) -> None:
    """torch.save, piece by piece. Raises what `file` raises, which torch hides behind the archive that is not whole."""
    try:
        torch.save(content, file)  # type: ignore[arg-type]  # it asks for these two methods
    except RuntimeError as error:
        raise error.__context__ or error from None


def write_checked(content: Any, file: BinaryIO) -> None:
    """The same with a checksum; nothing of `file` is read again."""
    with ThreadPoolExecutor(1) as thread:
        summed = _Summed(file, thread)
        write_tensors(content, summed)
    file.write(_comment(summed.sum))


class _Summed:
    """Writes and sums up all but the last bytes, which say that the archive has no comment."""

    def __init__(self, file: BinaryIO, thread: ThreadPoolExecutor):
        self.file, self.thread, self.sum, self.held = file, thread, hashlib.sha256(), b""

    def write(self, data: memoryview) -> int:
        newest, taken = COMMENT_LENGTH.size, len(data)
        if taken < newest:
            data = memoryview(self.held + data)
        else:
            self._pass_on(memoryview(self.held))
        self._pass_on(data[:-newest])
        self.held = bytes(data[-newest:])
        return taken

    def flush(self) -> None:
        pass

    def _pass_on(self, data: memoryview) -> None:
        if len(data) < BLOCK:
            self.sum.update(data)
            self.file.write(data)
            return
        summing = self.thread.submit(self.sum.update, data)  # summing up may take longer than the disk
        try:
            self.file.write(data)
        finally:
            summing.result()


def is_whole(file: BinaryIO) -> bool:
    """Whether the checksum at the end of a checked file fits what is before it."""
    size = file.seek(0, os.SEEK_END)
    left = max(0, size - COMMENT_LENGTH.size - CHECKSUM_BYTES)
    file.seek(0)
    found = hashlib.sha256()
    while block := file.read(min(BLOCK, left)):
        found.update(block)
        left -= len(block)
    return file.read() == _comment(found)


def _comment(found: "hashlib._Hash") -> bytes:
    """What stands at the end of a checked file."""
    return COMMENT_LENGTH.pack(CHECKSUM_BYTES) + found.hexdigest().encode()
