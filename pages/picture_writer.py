"""Writes pictures in threads while the next ones are computed."""
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np

from pages.pictures import save_picture

THREADS = min(8, 2 * (os.cpu_count() or 1))  # encoding a PNG frees the interpreter, flushing it to disk the processor
MOST_WAITING = 64  # pictures: memory stays flat when the disk is slower than the network


class PictureWriter:
    """As a context: when it is left, all pictures are on disk; after an exception those not yet begun are dropped."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "picture writer")
        self._waiting: deque[Future[None]] = deque()

    def save(self, path: Path, picture: np.ndarray, aspect_ratio: float = 1.0) -> None:
        """Like `save_picture`, soon. Waits when there is much to write; raises the OSError of an earlier picture."""
        self.soon(lambda: save_picture(path, picture, aspect_ratio))

    def soon(self, write: Callable[[], None]) -> None:
        """Have any other picture written, likewise."""
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._threads.submit(write))

    def __enter__(self) -> "PictureWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        try:
            while self._waiting and error is None:
                self._waiting.popleft().result()
        finally:
            self._threads.shutdown(cancel_futures=True)
