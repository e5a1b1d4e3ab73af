"""Which class was answered for which: what the metrics of label pictures are made of."""
import torch
from torch import Tensor

from metrics.base_metric import Metric, Pictures, Tools
from util.errors import UserError


class ConfusionMetric(Metric):
    """A metric of labels, whose pixels count as the class of the nearest colour (tools.palette)."""

    better = "higher"
    unit = "of 1"

    def __init__(self, tools: Tools):
        super().__init__(tools)
        if tools.palette is None:
            raise UserError("a metric of label pictures compares classes by their colours, and there is no palette; "
                            "name the classes in a text file, a line `name R G B` each, and give it with --palette "
                            "FILE")
        self.palette = tools.palette

    def statistics(self, pictures: Pictures) -> Tensor:
        """(B, K, K): how many pixels of each class of the truth (row) were answered with each class (column)."""
        fake, real = self.palette.classes(pictures["fake"]), self.palette.classes(pictures["real"])
        return torch.stack([count(*pair, len(self.palette.names)) for pair in zip(fake, real, strict=True)])


def count(answer: Tensor, truth: Tensor, classes: int) -> Tensor:
    """(K, K), int64: pixels by the class of the truth (row) and of the answer (column), each (H, W) of 0 to K - 1."""
    return (classes * truth + answer).flatten().bincount(minlength=classes ** 2).view(classes, classes)


def pixel_accuracy(confusion: Tensor) -> Tensor:
    """(N,): the share of all pixels whose class is right. confusion: (N, K, K), counts or their means."""
    return _right(confusion).sum(1) / confusion.sum((1, 2))


def class_accuracy(confusion: Tensor) -> Tensor:
    """(N,): the share of a class's pixels that are right, mean over the classes that the truth holds."""
    held = confusion.sum(2)
    return _mean(_right(confusion), held)


def class_iou(confusion: Tensor) -> Tensor:
    """(N,): pixels of a class in truth and answer, of those in either; mean over the classes that either holds."""
    right = _right(confusion)
    return _mean(right, confusion.sum(2) + confusion.sum(1) - right)


def _right(confusion: Tensor) -> Tensor:
    """(N, K): pixels of each class that were answered with it."""
    return confusion.diagonal(dim1=1, dim2=2)


def _mean(right: Tensor, of: Tensor) -> Tensor:
    """(N,): the mean over classes of right / of, without those of none."""
    return (torch.where(of > 0, right / of, 0.0)).sum(1) / (of > 0).sum(1)
