"""What SSIM and MS-SSIM are made of: similarity in windows, each channel by itself."""
from torch import Tensor

from metrics.extra import library
from util.errors import UserError

WINDOW = 11  # pixels: a Gaussian of sigma 1.5, cut off there
MARGIN = WINDOW // 2


class Similarity:
    """Means over those windows that lie wholly within the pictures, as Wang et al. 2004 have it."""

    def __init__(self) -> None:
        """UserError when torchmetrics is missing."""
        self.function = library("torchmetrics.functional.image").structural_similarity_index_measure

    def whole(self, fake: Tensor, real: Tensor) -> Tensor:
        """(B, C): luminance, contrast and structure (eq. 13). fake, real: (B, C, H, W) in [0, 1]."""
        _, windows = self.function(_single(fake), _single(real), data_range=1.0, reduction="none",
                                   return_full_image=True)
        return windows[:, 0, MARGIN:-MARGIN, MARGIN:-MARGIN].mean((1, 2)).view(fake.shape[:2])

    def contrast(self, fake: Tensor, real: Tensor) -> Tensor:
        """(B, C): contrast and structure alone. fake, real: (B, C, H, W) in [0, 1]."""
        _, contrasts = self.function(_single(fake), _single(real), data_range=1.0, reduction="none",
                                     return_contrast_sensitivity=True)
        return contrasts.view(fake.shape[:2])


def _single(pictures: Tensor) -> Tensor:
    """(B, C, H, W) to (B * C, 1, H, W)."""
    return pictures.flatten(0, 1)[:, None]


def check_size(name: str, pictures: Tensor, least: int) -> None:
    """UserError for pictures (B, 3, H, W) with a side of fewer than `least` pixels."""
    height, width = pictures.shape[2:]
    if min(height, width) < least:
        raise UserError(f"{name} needs pictures of at least {least} pixels a side, and there are some of {width} x "
                        f"{height}; translate larger ones, or leave {name} out"
                        + (" and measure ssim" if least > WINDOW <= min(height, width) else ""))
