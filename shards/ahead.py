"""Shards that will be read soon, fetched while others are read; of those on this machine, from the disk."""
from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shards.copies import opened
from util.errors import UserError

STEP = 1 << 20  # bytes that the system is told of at once; it reads no more than some of these at a call


class Ahead:
    """Brings what is wanted nearer, in a thread that ends with the process; who needs it earlier does not wait for it.
    """

    def __init__(self) -> None:
        self._known: set[Path] = set()  # what was wanted last
        self._waiting: list[Path] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def want(self, shards: Sequence[Path]) -> None:
        """Have these at hand, in this order; what was wanted before, and is neither begun nor among them, is forgotten.
        """
        with self._changed:
            self._waiting = [shard for shard in shards if shard in self._waiting or shard not in self._known]
            self._known = set(shards)
            self._changed.notify()
            if self._thread is None or not self._thread.is_alive():  # a forked process has none
                self._thread = threading.Thread(target=self._work, daemon=True, name="shards ahead")
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                shard = self._waiting.pop(0)
            with suppress(UserError, OSError):  # who reads it meets it too, and can say more
                bring(shard)


def bring(shard: Path) -> None:
    """Fetch the shard, and ask the system to read it from the disk in one go: its images are read in any order."""
    with opened(shard) as file:
        if hasattr(os, "posix_fadvise"):
            for begin in range(0, os.fstat(file.fileno()).st_size, STEP):
                os.posix_fadvise(file.fileno(), begin, STEP, os.POSIX_FADV_WILLNEED)
