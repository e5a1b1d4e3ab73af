"""What an error is worth: beside that of two answers that need no network."""
import tempfile
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Answers:
    """Mean absolute differences to the truth, in gray levels, 0 to 255; None where it cannot be worked out."""

    error: float | None
    copy_error: float | None  # of answering with the input
    mean_error: float | None  # of answering with the mean image of the target domain

    @property
    def share(self) -> str:
        """The error as a share of the better of the two simple answers; '-' where that is perfect (a single image)."""
        better = min((error for error in (self.copy_error, self.mean_error) if error is not None), default=0.0)
        return f"{self.error / better:.0%}" if better and self.error is not None else "-"


class SimpleAnswers:
    """Gathers the errors of a direction whose truth is known. All arrays: of a Sample."""

    def __init__(self) -> None:
        self._errors: list[float | None] = []
        self._copy_errors: list[float | None] = []
        self._truths = tempfile.TemporaryFile()  # the mean image is known only at the end: they wait here  # noqa: SIM115
        self._shapes: set[tuple[np.dtype, tuple[int, ...]]] = set()
        self._sum, self._known = np.zeros(()), np.zeros(())  # at each place, and of how many

    def add(self, fake: np.ndarray, source: np.ndarray, truth: np.ndarray) -> None:
        """A sample."""
        fake, source, truth = map(_levels, (fake, source, truth))
        self._errors.append(_error(fake, truth))
        self._copy_errors.append(_error(source, truth))
        self._shapes.add((truth.dtype, truth.shape))
        if len(self._shapes) == 1:
            self._sum = self._sum + np.nan_to_num(truth)
            self._known = self._known + ~np.isnan(truth)
            self._truths.write(truth.tobytes())

    def answers(self) -> Answers:
        """The means over all samples; nothing can be added any more. Pictures of several sizes have no mean image."""
        with self._truths:
            return Answers(_mean(self._errors), _mean(self._copy_errors), _mean(self._mean_errors()))

    def _mean_errors(self) -> list[float | None]:
        if len(self._shapes) != 1:
            return [None]
        ((dtype, shape),), count = self._shapes, len(self._errors)
        self._truths.seek(0)
        size = int(np.prod(shape)) * dtype.itemsize
        truths = (np.frombuffer(self._truths.read(size), dtype).reshape(shape) for _ in range(count))
        return [_error(self._sum / np.maximum(self._known, 1), truth) for truth in truths]


def _levels(picture: np.ndarray) -> np.ndarray:
    """In gray levels, 0 to 255."""
    return picture if picture.dtype == np.uint8 else picture * np.float32(255)


def _error(answer: np.ndarray, truth: np.ndarray) -> float | None:
    """Over the pixels that hold data in both; None where there are none, or the shapes differ."""
    if answer.shape != truth.shape:
        return None
    errors = np.abs(answer.astype(np.float64) - truth)
    return float(errors[~np.isnan(errors)].mean()) if not np.isnan(errors).all() else None


def _mean(errors: list[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return float(np.mean(known)) if known and len(known) == len(errors) else None
