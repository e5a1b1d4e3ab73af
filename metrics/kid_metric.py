"""Kernel inception distance."""
import warnings

import torch
from torch import Tensor, nn

from metrics.base_metric import SetMetric, Tools
from metrics.extra import library

SUBSETS, SUBSET_SIZE = 100, 100


class KidMetric(SetMetric):
    """The squared maximum mean discrepancy of the features under the kernel (x·y / D + 1)³, unbiased: the mean over
    SUBSETS subsets of at most SUBSET_SIZE pictures of each set, always the same ones. It may lie a little below 0.
    """

    better = "lower"
    about = "kernel distance between the features of translations and of real pictures; unbiased, so for small sets"
    source = "Bińkowski et al. 2018, Demystifying MMD GANs, section 4"

    def __init__(self, tools: Tools):
        super().__init__(tools)
        self.kind = library("torchmetrics.image.kid").KernelInceptionDistance

    def distance(self, fake: Tensor, real: Tensor) -> float:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.filterwarnings("ignore", message=".*will save all extracted features")
            torch.default_generator.manual_seed(0)
            metric = self.kind(feature=nn.Identity(), subsets=SUBSETS, subset_size=_subset(len(fake), len(real)))
            metric.update(fake.double(), real=False)
            metric.update(real.double(), real=True)
            return metric.compute()[0].item()

    def notes(self, n: int, references: int) -> list[str]:
        return [*super().notes(n, references),
                f"mean over {SUBSETS} subsets of {_subset(n, references)} pictures of each set"]


def _subset(n: int, references: int) -> int:
    return min(n, references, SUBSET_SIZE)
