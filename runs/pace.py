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


LONG = 24 * 3600  # seconds of a training that is worth a warning
FIRST = 5, 10  # steps and seconds that a forecast rests on
FASTER = "--netG resnet_6blocks or a smaller --crop_size (with --load_size) are faster"


class Forecast:
    """Says once, as soon as the first steps are timed, that a training will be a long one."""

    def __init__(self, device: str):
        """device: its type, 'cpu' or another."""
        self.device = device
        self.began: float | None = None  # when the first step had ended: it is slower than the others
        self.steps = self.images = 0
        self.said = False

    def after_step(self, images: int, left: int) -> str:
        """The warning, or '' if there is nothing to say (yet). images: of this step; left: still to be trained on."""
        now = time.perf_counter()
        if self.began is None:
            self.began = now
            return ""
        self.steps, self.images = self.steps + 1, self.images + images
        seconds = now - self.began
        if self.said or self.steps < FIRST[0] or seconds < FIRST[1]:
            return ""
        self.said = True
        rest = left * seconds / self.images
        if rest < LONG:
            return ""
        here, gpu = ("this CPU", "a GPU, ") if self.device == "cpu" else ("this GPU", "several GPUs, ")
        return f"note: this training will take about {rest / 86400:.3g} days on {here}; {gpu}{FASTER}"
