"""Structural similarity."""
from torch import Tensor

from metrics.base_metric import Metric, Pictures, Tools
from metrics.similarity import WINDOW, Similarity, check_size


class SsimMetric(Metric):
    """The mean over the picture and its channels of local luminance, contrast and structure, compared with the truth.

    A Gaussian window of 11 x 11 pixels, wherever it lies wholly within the picture, as in the paper. UserError for
    pictures that are smaller.
    """

    better = "higher"
    any_bands = True
    least_side = WINDOW
    unit = "of 1"
    about = "similarity of luminance, contrast and structure to the truth, window by window"
    source = "Wang et al. 2004, Image quality assessment: from error visibility to structural similarity"

    def __init__(self, tools: Tools):
        super().__init__(tools)
        self.similarity = Similarity()

    def statistics(self, pictures: Pictures) -> Tensor:
        check_size("ssim", pictures["fake"], self.least_side)
        return self.similarity.whole(pictures["fake"], pictures["real"]).mean(1)
