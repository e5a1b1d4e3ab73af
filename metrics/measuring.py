"""Metrics of many samples: fed batch by batch, then told as numbers."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from metrics.base_metric import Metric, Pictures


@dataclass(frozen=True)
class Value:
    """A metric of all samples. n: how many translations; references: how many pictures of the target domain they were
    compared with; low, high: the 95% bootstrap interval over samples, None where there is none (FID, KID)."""

    value: float
    n: int
    references: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Report:
    """values: of each metric by name; rows: of each sample by its name, those metrics that a sample has."""

    values: Mapping[str, Value]
    rows: Mapping[str, Mapping[str, float]]


class Measuring:
    """Keeps what metrics need of each sample of one direction of translation."""

    def __init__(self, metrics: Mapping[str, Metric]):
        """metrics: by the name under which each is told."""
        self.metrics = metrics

    @torch.no_grad()
    def add(self, names: Sequence[str], pictures: Pictures) -> None:
        """A batch. names: of its samples; pictures: by role; a set metric also takes one role alone."""
        raise NotImplementedError

    def report(self) -> Report:
        """The numbers of everything that was added."""
        raise NotImplementedError
