"""Structural similarity at several scales."""
import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.base_metric import Metric, Pictures, Tools
from metrics.similarity import WINDOW, Similarity, check_size

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from the finest: section 3.2 of the paper
LEAST = WINDOW * 2 ** (len(WEIGHTS) - 1)  # pixels: one window at the coarsest scale


class MsSsimMetric(Metric):
    """The weighted product (eq. 7) of contrast and structure at five scales, each half as fine as the one before, and
    of luminance at the coarsest; of each channel by itself, then their mean.

    A negative factor counts as 0. UserError for pictures with a side of less than LEAST pixels.
    """

    better = "higher"
    any_bands = True
    least_side = LEAST
    unit = "of 1"
    about = f"similarity of structure to the truth at five scales; needs {LEAST} pixels a side"
    source = "Wang et al. 2003, Multiscale structural similarity for image quality assessment"

    def __init__(self, tools: Tools):
        super().__init__(tools)
        self.similarity = Similarity()

    def statistics(self, pictures: Pictures) -> Tensor:
        fake, real = pictures["fake"], pictures["real"]
        check_size("ms_ssim", fake, self.least_side)
        factors = []
        for _ in WEIGHTS[:-1]:
            factors.append(self.similarity.contrast(fake, real))
            fake, real = F.avg_pool2d(fake, 2), F.avg_pool2d(real, 2)
        factors.append(self.similarity.whole(fake, real))
        powers = [factor.clamp(min=0) ** weight for factor, weight in zip(factors, WEIGHTS, strict=True)]
        return torch.stack(powers).prod(0).mean(1)
