"""The file behind --cache disk: named after its content, mapped into memory, the same for all who open it."""
from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import __version__ as pillow

from data.room import require_room
from raster.names import split_page
from raster.value_range import ValueRange
from shards.member import status
from util.errors import MachineError

FORMAT = 2  # of the file; another one needs another number


class MappedFile(mmap.mmap):
    """A file of `size` bytes as memory that all processes share which map it; workers are sent its name."""

    path: Path

    def __new__(cls, path: Path, size: int) -> MappedFile:
        with path.open("r+b") as file:
            memory = super().__new__(cls, file.fileno(), size)
        memory.path = path
        return memory

    def __reduce__(self) -> tuple:
        return MappedFile, (self.path, len(self))

    def save(self, begin: int, end: int) -> None:
        """Wait until these bytes are on the disk, from where they are read after a power cut."""
        page = begin // mmap.PAGESIZE * mmap.PAGESIZE
        self.flush(page, end - page)


def digest(layout: Mapping[Any, Any], fast_decode: bool, ranges: Mapping[Path, ValueRange]) -> str:
    """A name for all that decides the bytes: files with sizes and dates, channels, types, scaled sizes, the decoder.

    And the ranges of files that are kept as float32, by which they have become [-1, 1].

    And for the machine: those that share a folder do not see each other's mapped memory in time.
    """
    text = hashlib.sha256(repr((FORMAT, pillow, fast_decode, socket.gethostname())).encode())
    for file, slot in layout.items():
        size, date = status(split_page(file.path)[0])
        decides = os.path.abspath(file.path), size, date, file.channels, slot
        text.update(repr((*decides, str(ranges[file.path])) if slot.kind == torch.float32 else decides).encode())
    return text.hexdigest()[:16]


def make_file(path: Path, size: int) -> None:
    """A file of zeros of that size, unless it is there. MachineError when the disk has no room for it."""
    advice = "--checkpoints_dir on a larger disk, --cache ram or --cache none"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        missing = size - file.tell()
        if missing <= 0:
            return
        try:
            require_room("--cache disk", missing, shutil.disk_usage(path.parent).free, f"in {path.parent}", advice)
            if hasattr(os, "posix_fallocate"):  # room in truth: a full disk ends who writes to a mapped file
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except (OSError, MachineError) as error:
            path.unlink()
            if isinstance(error, OSError):
                raise MachineError(f"--cache disk cannot make {path}: {error.strerror}; give {advice}") from None
            raise
