"""The features of VGG-16 (Simonyan and Zisserman 2015)."""
from collections.abc import Mapping

import torch
from torch import Tensor, nn

RELU4_2 = 21  # layers of torchvision's `features` up to it
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]


class Vgg16Features(nn.Module):
    """VGG-16 up to relu4_2. Shapes: (B, 3, H, W) in [-1, 1] -> (B, 512, H // 8, W // 8)."""

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Mapping[str, Tensor]):
        """weights: of torchvision's vgg16, at least as far as they are needed. RuntimeError when they are others."""
        super().__init__()
        from torchvision.models import vgg16  # torchvision costs a second to import

        with torch.device("meta"):
            self.layers = vgg16().features[:RELU4_2]
        needed = {key: weights[f"features.{key}"] for key in self.layers.state_dict() if f"features.{key}" in weights}
        self.layers.load_state_dict(needed, assign=True)
        self.register_buffer("mean", 2 * torch.tensor(MEAN).view(3, 1, 1) - 1)
        self.register_buffer("std", 2 * torch.tensor(STD).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x - self.mean) / self.std)
