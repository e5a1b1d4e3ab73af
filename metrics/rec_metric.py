"""Reconstruction error of a cycle."""
from torch import Tensor

from metrics.base_metric import Metric, Pictures


class RecMetric(Metric):
    """The mean absolute difference of a source and what came back of it, in gray levels, 0 to 255."""

    better = "lower"
    any_bands = True
    leaves_out = True
    needs = ("source", "rec")
    paired = False
    unit = "gray levels of 255"
    about = "mean absolute difference of the source and its translation there and back"
    source = "Zhu et al. 2017, eq. 2"

    def statistics(self, pictures: Pictures) -> Tensor:
        return 255 * (pictures["rec"] - pictures["source"]).abs().mean((1, 2, 3)) / pictures.get("known", 1)
