"""PSNR, SSIM and MS-SSIM against scikit-image and against arithmetic with scipy."""
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import metrics
from metrics.base_metric import Tools
from util.errors import UserError

pytest.importorskip("torchmetrics")
pytest.importorskip("skimage")
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def pictures(height: int, width: int, count: int = 3) -> dict[str, Tensor]:
    """Smooth pictures, and the same with noise that differs in strength from one to the next."""
    source = torch.Generator().manual_seed(height)
    real = F.interpolate(torch.rand(count, 3, 7, 9, generator=source), (height, width), mode="bicubic").clamp(0, 1)
    noise = torch.randn(real.shape, generator=source) * torch.linspace(0.02, 0.3, count)[:, None, None, None]
    return {"real": real, "fake": (real + noise).clamp(0, 1)}


def arrays(pairs: dict[str, Tensor]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truth and translation of each sample, (H, W, 3), float64."""
    return list(zip(*(pairs[role].permute(0, 2, 3, 1).double().numpy() for role in ("real", "fake")), strict=True))


def measured(name: str, pairs: dict[str, Tensor]) -> list[float]:
    return metrics.find(name)(Tools()).statistics(pairs).tolist()


@pytest.mark.parametrize("size", [(11, 11), (40, 33)])
def test_psnr_and_ssim_are_those_of_scikit_image(size: tuple[int, int]):
    pairs = pictures(*size)
    psnr = [peak_signal_noise_ratio(*pair, data_range=1) for pair in arrays(pairs)]
    ssim = [structural_similarity(*pair, data_range=1, channel_axis=2, gaussian_weights=True, sigma=1.5,
                                  use_sample_covariance=False) for pair in arrays(pairs)]
    assert measured("psnr", pairs) == pytest.approx(psnr, rel=1e-5)
    assert measured("ssim", pairs) == pytest.approx(ssim, rel=1e-4)


def ms_ssim(real: np.ndarray, fake: np.ndarray) -> float:
    """Wang et al. 2003 of one channel, (H, W), with windows that lie within the picture."""
    window = np.exp(-np.arange(-5, 6) ** 2 / (2 * 1.5 ** 2))

    def blurred(x: np.ndarray) -> np.ndarray:
        for axis in (0, 1):
            x = correlate1d(x, window / window.sum(), axis)
        return x[5:-5, 5:-5]
    product = 1.0
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    for scale, weight in enumerate(weights):
        x, y = blurred(real), blurred(fake)
        covariance = blurred(real * fake) - x * y
        variances = blurred(real * real) - x * x + blurred(fake * fake) - y * y
        similarity = (2 * covariance + 0.03 ** 2) / (variances + 0.03 ** 2)
        if scale == len(weights) - 1:
            similarity = similarity * (2 * x * y + 0.01 ** 2) / (x * x + y * y + 0.01 ** 2)
        product *= max(similarity.mean(), 0) ** weight
        height, width = (side // 2 * 2 for side in real.shape)
        real, fake = (z[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for z in (real, fake))
    return product


@pytest.mark.parametrize("size", [(176, 176), (181, 230)])
def test_ms_ssim_is_the_product_over_five_scales(size: tuple[int, int]):
    pairs = pictures(*size, count=2)
    expected = [np.mean([ms_ssim(real[..., c], fake[..., c]) for c in range(3)]) for real, fake in arrays(pairs)]
    assert measured("ms_ssim", pairs) == pytest.approx(expected, rel=1e-4)


def test_opposite_structure_makes_ms_ssim_0_and_no_nan():
    pairs = pictures(176, 176, count=1)
    assert measured("ms_ssim", {"real": pairs["real"], "fake": 1 - pairs["real"]}) == [0]


def test_equal_pictures_count_as_100_decibels():
    real = torch.rand(2, 3, 256, 256)
    off = real.clone().clamp(max=0.9)
    one_level_off = off.clone()
    one_level_off[:, 0, 5, 5] += 1 / 255
    assert measured("psnr", {"real": real, "fake": real}) == [100, 100]
    assert peak_signal_noise_ratio(*arrays({"real": off, "fake": one_level_off})[0], data_range=1) > 100


@pytest.mark.parametrize(("name", "least"), [("ssim", 11), ("ms_ssim", 176)])
def test_pictures_that_are_too_small_are_refused_with_the_size_needed(name: str, least: int):
    with pytest.raises(UserError, match=f"{name} needs pictures of at least {least} .* of {least + 9} x {least - 1};"
                                        f".* leave {name} out"):
        measured(name, pictures(least - 1, least + 9))


@pytest.mark.parametrize("name", ["psnr", "ssim", "ms_ssim"])
def test_without_torchmetrics_the_message_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(UserError, match=r"torchmetrics computes this metric .* pip install .\[metrics\]"):
        metrics.make([name], Tools())
