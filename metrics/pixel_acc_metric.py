"""Per-pixel accuracy of label pictures."""
from torch import Tensor

from metrics.confusion import ConfusionMetric, pixel_accuracy


class PixelAccMetric(ConfusionMetric):
    """The share of the pixels whose class is right, of all samples' pixels together."""

    about = "labels: share of the pixels whose class is right"
    source = "Zhu et al. 2017, section 5.1.1 and Tables 2 to 5; Long et al. 2015, section 5"

    def of_each(self, statistics: Tensor) -> Tensor:
        return pixel_accuracy(statistics)
