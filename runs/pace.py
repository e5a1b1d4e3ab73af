"""How fast a training goes, and which one waits: the computing for data, or nobody."""
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Pace:
    """Mean seconds an image: compute, and data, waiting for it; left: images that are still to be trained on."""

    compute: float
    data: float
    left: int

    @property
    def images_per_s(self) -> float:
        """Images a second of wall time, waiting included."""
        return 1 / max(self.compute + self.data, 1e-9)

    @property
    def eta_s(self) -> float:
        """Seconds until the last image, at this pace."""
        return self.left / self.images_per_s

    def __str__(self) -> str:
        waiting, left = self.data * self.images_per_s, timedelta(seconds=round(self.eta_s))
        return f"{self.images_per_s:.3g} images/s, {waiting:.0%} waiting for data, {left} left"


class Stopwatch:
    """Times a loop over batches by the wall clock.

    Steps on a GPU return before they are computed, so a single step cannot be timed; many can.
    """

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.waited = 0.0

    def watch(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The same batches; the time until each comes counts as waiting."""
        asked = time.perf_counter()
        for batch in batches:
            self.waited += time.perf_counter() - asked
            yield batch
            asked = time.perf_counter()

    def lap(self, images: int, left: int) -> Pace:
        """The pace since the last lap, in which `images` images were trained on; begins the next one."""
        now = time.perf_counter()
        pace = Pace((now - self.began - self.waited) / images, self.waited / images, left)
        self.began, self.waited = now, 0.0
        return pace
