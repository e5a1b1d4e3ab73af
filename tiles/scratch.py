"""Images on disk, written and read region by region."""
import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tiles.nodes import Region


class Behind:
    """Writes in a thread while the next tile is computed, in order."""

    MOST_WAITING = 4

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "scratch")
        self._waiting: deque[Future[None]] = deque()

    def __call__(self, write: Callable[..., None], *what: object) -> None:
        """Call write(*what) soon. Waits when there is much to write; raises the OSError of an earlier call."""
        if len(self._waiting) == self.MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(write, *what))

    def settle(self) -> None:
        """Return when all is written. OSError of what could not be."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


class ScratchFile:
    """An image of float32, (height, width, channels), of which a region's rows are contiguous.

    Plain reading and writing, not a memory map, whose pages would count as memory of the process.
    """

    def __init__(self, path: Path, size: tuple[int, int], channels: int):
        """Opens the file, or makes it. OSError, with the path."""
        self.path, self.width, self.channels = path, size[1], channels
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "r+b" if path.exists() else "x+b", buffering=0)  # noqa: SIM115
        self.file.truncate(size[0] * size[1] * channels * 4)

    def read(self, region: Region) -> Tensor:
        """(1, channels, h, w), channels_last."""
        (top, bottom), (left, right) = region
        values = np.empty((bottom - top, right - left, self.channels), np.float32)
        for row, place in zip(values, self._places(region), strict=True):
            self.file.seek(place)
            if self.file.readinto(row.data) != row.nbytes:
                raise OSError(errno.EIO, "shorter than it was written", str(self.path))
        return torch.from_numpy(values).permute(2, 0, 1)[None]

    def write(self, region: Region, rows: np.ndarray) -> None:
        """rows: (h, w, channels), as `rows_of` gives them. OSError, with the path, when the disk is full."""
        for row, place in zip(rows, self._places(region), strict=True):
            self.file.seek(place)
            if self.file.write(row.data) != row.nbytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def _places(self, region: Region) -> Iterator[int]:
        """Where the rows of a region begin in the file."""
        (top, bottom), (left, _) = region
        return ((row * self.width + left) * self.channels * 4 for row in range(top, bottom))

    def close(self) -> None:
        self.file.close()


def rows_of(values: Tensor) -> np.ndarray:
    """A copy of (1, channels, h, w), float32 (h, w, channels)."""
    return values[0].permute(1, 2, 0).float().cpu().numpy().copy(order="C")
