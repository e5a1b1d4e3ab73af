"""Feature loss + GAN: the baseline of the CycleGAN paper (section 5.1) that keeps the content of the input in the
features of a network (Johnson et al. 2016, "Perceptual Losses") instead of in its pixels, as SimGAN does.
"""
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from metrics.self_features import SelfFeatures, train
from metrics.weight_files import WeightFile
from models.contract import Batch, Images
from models.simgan_model import SimGANModel
from networks.losses import l1_of_each
from networks.vgg import Vgg16Features
from options.groups import ValidationOptions
from options.schema import option
from util.errors import UserError

VGG16 = WeightFile("VGG-16", "https://download.pytorch.org/models/vgg16-397923af.pth", 528,
                   "--feature_weights self trains a small network on images of the target domain first")


class SelfTaughtFeatures(nn.Module):
    """The features of a network that was trained on the target domain, before they are averaged over the picture.

    Shapes: (B, 3, H, W) in [-1, 1] -> (B, C, h, w).
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = SelfFeatures(0)

    def learn(self, pictures: Iterable[Tensor]) -> None:
        """Take the place of a network trained on pictures, each (3, H, W) in [0, 1]."""
        self.net.load_state_dict(train(pictures).state_dict())

    def forward(self, x: Tensor) -> Tensor:
        return self.net.layers(x)


class FeatureGANModel(SimGANModel):
    """SimGAN's objective with |phi(G(x)) - phi(x)|: phi is VGG-16 up to relu4_2, or a network of one's own."""

    class TrainOptions(SimGANModel.TrainOptions, ValidationOptions):
        """feature_gan"""

        feature_weights: str = option(
            "", "file of VGG-16's weights, or the folder that holds it and those of fid, kid or lpips (left out: "
            "torch's cache); or self: a small network that is first trained on images of the target domain, where no "
            "weights are at hand", structure=True)

    opt: TrainOptions
    channels = {"input_nc": (1, 3), "output_nc": (1, 3)}  # the feature networks look at gray and RGB

    def frozen_nets(self) -> dict[str, nn.Module]:
        """UserError, which says where to get them, when the weights of VGG-16 are missing."""
        given = self.opt.feature_weights
        if given == "self":
            return {"features": SelfTaughtFeatures()}
        path, weights = VGG16.load(Path(given) if given else None)
        try:
            return {"features": Vgg16Features(weights)}
        except RuntimeError:  # other names or shapes
            raise UserError(f"{path} does not hold the weights of VGG-16; expected those of {VGG16.url}") from None

    def study(self, batches: Callable[[], Iterable[Batch]]) -> None:
        """Train the features on the target domain, where they are not VGG-16's."""
        features = self.frozen["features"]
        if isinstance(features, SelfTaughtFeatures):
            features.learn(_pictures(batches()))

    def features(self, images: Tensor) -> Tensor:
        """phi of (B, 1 or 3, H, W) in [-1, 1]."""
        return self.frozen["features"](images.expand(-1, 3, -1, -1))

    def regularisation(self, images: Images) -> Tensor:
        """|phi(G(x)) - phi(x)|, a scalar."""
        return F.l1_loss(self.features(images["fake_B"]), self.features(images["real_A"]))

    def extra_state(self) -> dict[str, Any]:
        features = self.frozen["features"]
        learned = features.state_dict() if isinstance(features, SelfTaughtFeatures) else {}
        return {**super().extra_state(), "features": learned}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        super().load_extra_state(state)
        if state["features"]:
            self.frozen["features"].load_state_dict(state["features"])

    def metrics(self, images: Images) -> dict[str, Tensor]:
        """How far the output's features have gone from the input's: what the model keeps small, not how good it is."""
        return {"reg": l1_of_each(self.features(images["fake_B"]), self.features(images["real_A"]))}


def _pictures(batches: Iterable[Batch]) -> Iterator[Tensor]:
    """The images of the target domain, each (3, H, W) in [0, 1]."""
    for batch in batches:
        yield from (batch["B"].expand(-1, 3, -1, -1) + 1) / 2
