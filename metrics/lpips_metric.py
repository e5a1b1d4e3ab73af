"""Learned perceptual image patch similarity."""
import re

from torch import Tensor

from metrics.base_metric import Metric, Pictures, Tools
from metrics.extra import library
from metrics.similarity import check_size
from metrics.weight_files import WeightFile

BACKBONE = WeightFile("AlexNet", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", 233)
LEAST = 31  # pixels: below that AlexNet's layers have nothing left


class LpipsMetric(Metric):
    """The weighted distance (eq. 1) between AlexNet's features of a translation and of its truth, version 0.1.

    The weights of its layers come with torchmetrics, those of AlexNet from the user's cache or tools.weights.
    """

    better = "lower"
    about = "distance to the truth as a network trained on photos sees it; follows people's judgement better than ssim"
    source = "Zhang et al. 2018, The unreasonable effectiveness of deep features as a perceptual metric"

    def __init__(self, tools: Tools):
        super().__init__(tools)
        module = library("torchmetrics.functional.image.lpips")
        path, weights = BACKBONE.load(tools.weights)
        self.net = module._LPIPS(net="alex", pnet_rand=True)  # the public class downloads what the cache lacks
        inside = {re.sub(r"slice\d", "features", name): name for name in self.net.net.state_dict()}
        try:
            self.net.net.load_state_dict({inside[name]: weights[name] for name in inside})
        except (KeyError, RuntimeError):
            raise BACKBONE.misfit(path) from None

    def statistics(self, pictures: Pictures) -> Tensor:
        check_size("lpips", pictures["fake"], LEAST)
        net = self.net.to(pictures["fake"].device)
        return net(pictures["fake"], pictures["real"], normalize=True).flatten()
