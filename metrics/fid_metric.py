"""Fréchet inception distance."""
import torch
from torch import Tensor, nn

from metrics.base_metric import SetMetric, Tools
from metrics.extra import library


class FidMetric(SetMetric):
    """The Fréchet distance between two Gaussians that have mean and covariance of each set's features."""

    better = "lower"
    about = "Fréchet distance between the features of translations and of real pictures"
    source = "Heusel et al. 2017, eq. 6"

    def __init__(self, tools: Tools):
        super().__init__(tools)
        self.kind = library("torchmetrics.image.fid").FrechetInceptionDistance

    def distance(self, fake: Tensor, real: Tensor) -> float:
        metric = self.kind(feature=_Given(fake.shape[1]))
        metric.set_dtype(torch.float64)
        metric.update(fake.double(), real=False)
        metric.update(real.double(), real=True)
        return max(0.0, metric.compute().item())  # of equal sets rounding may make less

    def notes(self, n: int, references: int) -> list[str]:
        count = self.extractor.num_features
        few = [f"{min(n, references)} pictures are not more than the {count} features, so the value is far too high (a "
               "covariance of so few is not of full rank); compare it only with values of as many pictures, or use kid"]
        return super().notes(n, references) + (few if min(n, references) <= count else [])


class _Given(nn.Identity):
    """Stands where torchmetrics would have a network: the features are there already."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features
