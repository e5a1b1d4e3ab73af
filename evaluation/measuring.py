"""From samples to numbers: every direction of translation that they show, measured by every metric that fits it."""
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from evaluation.choice import Choice, Fitted, to_tensor
from evaluation.samples import Direction, Sample, Source
from evaluation.simple_answers import Answers, SimpleAnswers
from metrics.base_metric import Metric
from metrics.measuring import Measuring, Report, with_void
from runs.progress import Progress
from util.errors import UserError

BATCH = 8  # samples of one size that are measured at once
MANY = 200  # samples, of which a bar is shown
MOST_WAITING = 64  # samples: memory stays flat when every one has a size of its own
ADVICE = ("translate pairs with test.py --dataset_mode aligned for the truth; without it compare sets of pictures: "
          "--metrics fid,kid, or evaluate.py --real FOLDER --fake FOLDER")
Waiting = list[tuple[str, dict[str, np.ndarray]]]


class NothingToMeasure(UserError):
    """None of the metrics fits."""


@dataclass(frozen=True)
class Measured:
    """The numbers of one direction. result: the name of what was measured; reference: what it was compared with;
    samples: translations that were there; notices: what the numbers must not be read without."""

    result: str
    direction: Direction
    reference: str
    samples: int
    metrics: Mapping[str, Metric]
    report: Report
    answers: Answers | None
    notices: Sequence[str]


def measure(source: Source, choice: Choice) -> list[Measured]:
    """The numbers of each direction. NothingToMeasure when no metric fits; UserError when pictures are not as they
    should be."""
    samples = list(source.samples) if choice.looks_first and isinstance(source.samples, Iterator) else source.samples
    choice.require_one_network(source.directions)
    fitted = [choice.fit(direction, partial(_reals, samples, direction)) for direction in source.directions]
    labels, found = any(fit.of_labels for fit in fitted), [misfit for fit in fitted for misfit in fit.misfits]
    misfits = [misfit.said if labels else str(misfit) for misfit in found]
    if not any(fit.metrics for fit in fitted):
        advice = "" if any(misfit.more for misfit in found) else f"\n{ADVICE}"
        raise NothingToMeasure("\n  ".join([f"there is nothing to measure in {source.where}:", *misfits]) + advice)
    parts = [_Part(source, direction, fit, choice.device)
             for direction, fit in zip(source.directions, fitted, strict=True) if fit.metrics]
    said = misfits if choice.names else []  # metrics that nobody asked for are not missed
    count = len(samples) if isinstance(samples, Sized) else 0  # a run that translates meanwhile has a bar of its own
    progress = Progress(count, silent=count < MANY)
    for name, pictures in samples:
        for part in parts:
            part.add(name, part.direction.roles(pictures))
        progress.advance(1)
    progress.close()
    said += source.afterwards()
    return [part.measured(said if part is parts[0] else []) for part in parts]


def _reals(samples: Iterable[Sample], direction: Direction) -> Iterator[np.ndarray]:
    return (roles["real"] for _, pictures in samples if "real" in (roles := direction.roles(pictures)))


@contextmanager
def naming(where: object) -> Iterator[None]:
    """Says in a UserError where the pictures lie, as several places may be measured at once."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


class _Part:
    """What is measured of one direction."""

    def __init__(self, source: Source, direction: Direction, fitted: Fitted, device: torch.device):
        self.source, self.direction, self.fitted, self.device = source, direction, fitted, device
        self.measuring = Measuring(fitted.metrics)
        compared = direction.paired and {"source", "fake", "real"} <= direction.labels.keys()
        self.answers = SimpleAnswers() if compared else None
        self.names: list[str] = []
        self.waiting: dict[object, Waiting] = defaultdict(list)
        self.seen: set[tuple[str, bytes]] = set()
        self.again = self.translations = 0

    def add(self, name: str, pictures: dict[str, np.ndarray]) -> None:
        """A sample, by role. Where real pictures are no truth, each counts once, and so does each source."""
        self.names.append(name)
        self.translations += "fake" in pictures
        if self.direction.paired:
            self._wait(name, pictures)
            if self.answers:
                self.answers.add(pictures["fake"], pictures["source"], pictures["real"])
            return
        real = {role: picture for role, picture in pictures.items() if role == "real" and self._is_new(role, picture)}
        translation = {role: picture for role, picture in pictures.items() if role != "real"}
        if "source" not in translation or self._is_new("source", translation["source"]):
            self._wait(name, translation)
        self._wait(name, real)

    def _is_new(self, role: str, picture: np.ndarray) -> bool:
        """Whether this picture was not there before: the shorter of two piles of images begins again at its end."""
        key = role, hashlib.sha256(picture.tobytes() + str(picture.shape).encode()).digest()
        new = key not in self.seen
        self.seen.add(key)
        self.again += not new
        return new

    def _wait(self, name: str, pictures: dict[str, np.ndarray]) -> None:
        if not pictures:
            return
        alike = self.waiting[tuple((role, picture.shape) for role, picture in pictures.items())]
        alike.append((name, pictures))
        if len(alike) == BATCH or sum(map(len, self.waiting.values())) == MOST_WAITING:
            self._take_in()

    def _take_in(self) -> None:
        for alike in self.waiting.values():
            if alike:
                names = [name for name, _ in alike]
                batch = with_void({role: torch.stack([to_tensor(pictures[role]) for _, pictures in alike]
                                                      ).to(self.device) for role in alike[0][1]})
                with naming(self.source.where):
                    self.measuring.add(names, batch)
        self.waiting.clear()

    def measured(self, said: Sequence[str]) -> Measured:
        """The numbers of all that was added."""
        self._take_in()
        with naming(self.source.where):
            report = self.measuring.report()
        rows = {name: report.rows[name] for name in dict.fromkeys(self.names) if name in report.rows}
        label = self.direction.labels.get("real")
        repeated = [f"{self.again} pictures are there again and count once: the shorter of two piles begins anew at "
                    "its end"] if self.again else []
        reference = f"{label} of {self.source.where}" if label else "none"
        return Measured(self.source.result, self.direction, reference, self.translations, self.fitted.metrics,
                        Report(report.values, rows, report.notes),
                        self.answers.answers() if self.answers else None,
                        [*self.fitted.notices, *repeated, *report.notes, *said])
