"""The classes of label pictures and their colours."""
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Palette:
    """names: of the classes; colours: (K, 3) in [0, 1], one each."""

    names: Sequence[str]
    colours: Tensor

    def classes(self, pictures: Tensor) -> Tensor:
        """(B, H, W), int64: the class whose colour is nearest to each pixel. pictures: (B, 3, H, W) in [0, 1]."""
        pixels = pictures.permute(0, 2, 3, 1).reshape(-1, 3)
        nearest = torch.cdist(pixels, self.colours.to(pixels)).argmin(1)
        return nearest.view(len(pictures), *pictures.shape[2:])
