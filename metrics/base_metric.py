"""What every metric is: a statistic of each sample, and one number made of the statistics of all.

A metric is one file metrics/xyz_metric.py with a class XyzMetric; `--metrics xyz` finds it.
"""
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from metrics.palette import Palette
from util.errors import UserError

Pictures = Mapping[str, Tensor]
"""By role, each (B, 3, H, W) in [0, 1]: 'source'; 'fake', its translation; 'real', of the target domain: the truth of
the fake where there are pairs; 'rec', the source translated there and back. Pictures with other numbers of bands have
as many channels (`Metric.any_bands`). Where some pixels hold no data, they are 0 in all pictures, and 'known', (B,), is
the share of the others."""


class FeatureNet(nn.Module):
    """A network whose features are compared: (B, 3, H, W) in [0, 1] to (B, num_features)."""

    num_features: int
    note: str = ""  # what its numbers are to be told with


@dataclass(frozen=True)
class Tools:
    """What metrics are made with. features: makes the network whose features are compared; palette: the classes of a
    label picture and their colours; weights: the file of LPIPS's network, or the folder that holds it. None where
    the metrics that are asked for need none, or, for weights, for the user's cache."""

    features: Callable[[], FeatureNet] | None = None
    palette: Palette | None = None
    weights: Path | None = None

    @cached_property
    def network(self) -> FeatureNet:
        """The one network of all metrics that are made with these tools. UserError when none was chosen."""
        if self.features is None:
            raise UserError("a distance between two sets of pictures compares their features, and no network for them "
                            "was chosen; choose it with --features inception or --features self")
        return self.features()


class Metric(ABC):
    """A number for a set of samples, made of the mean of a statistic of each."""

    better: Literal["higher", "lower"]
    needs: tuple[str, ...] = ("fake", "real")  # the roles of the pictures that it looks at
    paired: bool = True  # whether 'real' must be the truth of 'fake'
    any_bands: bool = False  # whether pictures may have others than 3 channels
    leaves_out: bool = False  # whether pixels without data are left out, rather than compared as equal
    least_side: int = 1  # pixels: it has no value for smaller pictures
    unit: str = ""
    about: str  # in a line
    source: str  # the paper that defines it

    def __init__(self, tools: Tools):
        """UserError when something is missing that it is made with."""
        self.tools = tools

    @abstractmethod
    def statistics(self, pictures: Pictures) -> Tensor:
        """(B, ...): what is kept of each sample. Its pictures have one size."""

    def of_each(self, statistics: Tensor) -> Tensor:
        """(N,): the metric of each statistic, be it that of a sample or the mean of several. statistics: (N, ...)."""
        return statistics

    def value(self, statistics: Tensor) -> float:
        """The metric of all samples together. statistics: (N, ...)."""
        return self.of_each(statistics.double().mean(0, keepdim=True)).item()

    def notes(self, n: int, references: int) -> list[str]:
        """What the number of so many samples and references must not be read without."""
        return []


class SetMetric(Metric):
    """A distance between two sets of pictures, which may differ in number: no sample has a number of its own.

    extractor: (B, 3, H, W) in [0, 1] to features (B, D); metrics with the same extractor share its work.
    """

    paired = False
    extractor: FeatureNet

    def __init__(self, tools: Tools):
        super().__init__(tools)
        self.extractor = tools.network

    def statistics(self, pictures: Pictures) -> Tensor:
        raise NotImplementedError("a metric of two sets keeps the extractor's features of each set")

    @abstractmethod
    def distance(self, fake: Tensor, real: Tensor) -> float:
        """The distance between two sets of features, (N, D) and (M, D), of at least two pictures each."""

    def notes(self, n: int, references: int) -> list[str]:
        return [self.extractor.note] if self.extractor.note else []
