"""Mean absolute error."""
from torch import Tensor

from metrics.base_metric import Metric, Pictures


class MaeMetric(Metric):
    """The mean absolute difference to the truth, in gray levels, 0 to 255."""

    better = "lower"
    any_bands = True
    leaves_out = True
    unit = "gray levels of 255"
    about = "mean absolute difference to the truth"
    source = "Isola et al. 2017, eq. 3"

    def statistics(self, pictures: Pictures) -> Tensor:
        return 255 * (pictures["fake"] - pictures["real"]).abs().mean((1, 2, 3)) / pictures.get("known", 1)
