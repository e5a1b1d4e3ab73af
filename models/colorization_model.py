"""Colorization: pix2pix from the lightness L of an image to its colours ab (pix2pix, section 4)."""
import torch
from kornia.color import lab_to_rgb
from torch import Tensor

from models.contract import Images
from models.pix2pix_model import Pix2PixModel


class ColorizationModel(Pix2PixModel):
    """A is L in [-1, 1] (1 channel), B is ab in [-1, 1] (2 channels); pages show RGB."""

    shared_defaults = {**Pix2PixModel.shared_defaults, "dataset_mode": "colorization"}
    channels = {"input_nc": (1,), "output_nc": (2,)}
    shows_lab = True

    def visuals(self, images: Images) -> Images:
        return {
            "real_A": images["real_A"],
            "fake_B_rgb": to_rgb(images["real_A"], images["fake_B"]),
            "real_B_rgb": to_rgb(images["real_A"], images["real_B"]),
        }


def to_rgb(L: Tensor, ab: Tensor) -> Tensor:
    """L (B, 1, H, W) and ab (B, 2, H, W), in [-1, 1] for 0..100 and -110..110, to RGB (B, 3, H, W) in [-1, 1]."""
    lab = torch.cat([(L + 1) * 50, ab * 110], 1)
    return 2 * lab_to_rgb(lab).clamp(0, 1) - 1
