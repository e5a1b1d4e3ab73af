"""Per-class accuracy of label pictures."""
from torch import Tensor

from metrics.confusion import ConfusionMetric, class_accuracy


class ClassAccMetric(ConfusionMetric):
    """The share of a class's pixels that is right: the mean over the classes that the truth holds, of all samples'
    pixels together."""

    about = "labels: share of a class's pixels that is right, mean over classes"
    source = "Zhu et al. 2017, section 5.1.1 and Tables 2 to 5; Long et al. 2015, section 5"

    def of_each(self, statistics: Tensor) -> Tensor:
        return class_accuracy(statistics)
