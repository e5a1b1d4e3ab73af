"""Class IoU of label pictures."""
from torch import Tensor

from metrics.confusion import ConfusionMetric, class_iou


class ClassIouMetric(ConfusionMetric):
    """A class's pixels that truth and answer share, of those that either has: the mean over the classes that one of the
    two holds, of all samples' pixels together."""

    about = "labels: a class's overlap with the truth (intersection over union), mean over classes"
    source = "Zhu et al. 2017, section 5.1.1 and Tables 2 to 5; Long et al. 2015, section 5"

    def of_each(self, statistics: Tensor) -> Tensor:
        return class_iou(statistics)
