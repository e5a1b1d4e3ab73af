"""Shards that will be read soon, fetched while others are read."""
from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shards.copies import local
from shards.names import is_remote
from util.errors import UserError


class Ahead:
    """Fetches what is wanted, in a thread that ends with the process; who reads a shard earlier fetches it there."""

    def __init__(self) -> None:
        self._wanted: list[Path] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def want(self, shards: Sequence[Path]) -> None:
        """Have these at hand, in this order, and forget what was wanted before and is not begun."""
        remote = [shard for shard in shards if is_remote(shard)]
        if not remote:
            return
        with self._changed:
            self._wanted = remote
            self._changed.notify()
            if self._thread is None or not self._thread.is_alive():  # which a forked process does not have
                self._thread = threading.Thread(target=self._work, daemon=True, name="shards ahead")
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted)
                shard = self._wanted.pop(0)
            with suppress(UserError, OSError):  # who reads it meets it too, and can say more
                local(shard)
