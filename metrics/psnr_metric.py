"""Peak signal-to-noise ratio."""
from torch import Tensor

from metrics.base_metric import Metric, Pictures, Tools
from metrics.extra import library

MOST = 100.0  # dB: one value of a 256 x 256 picture that is one gray level off makes 101


class PsnrMetric(Metric):
    """10 log10 of 1 over the mean squared difference to the truth; the mean over samples is one of decibels.

    The ratio of equal pictures is infinite. They count as MOST, so that a mean stays a number, as does JSON.
    """

    better = "higher"
    any_bands = True
    leaves_out = True
    unit = "dB"
    about = f"peak signal-to-noise ratio to the truth; equal pictures count as {MOST:g} dB"
    source = "Huynh-Thu & Ghanbari 2008, Scope of validity of PSNR"

    def __init__(self, tools: Tools):
        super().__init__(tools)
        self.function = library("torchmetrics.functional.image").peak_signal_noise_ratio

    def statistics(self, pictures: Pictures) -> Tensor:
        ratios = self.function(pictures["fake"], pictures["real"], data_range=1.0, reduction="none", dim=(1, 2, 3))
        if "known" in pictures:  # the others are equal: the mean over all is too small by the share of these
            ratios = ratios + 10 * pictures["known"].log10()
        return ratios.clamp(max=MOST)
