"""FID and KID through given features against their formulas."""
import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.base_metric import FeatureNet, Tools
from metrics.measuring import Measuring

pytest.importorskip("torchmetrics")
from metrics.fid_metric import FidMetric
from metrics.kid_metric import KidMetric


class Corner(FeatureNet):
    """Features: the first four pixels of the red channel. They need not be in [0, 1]."""

    num_features = 4

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures[:, 0].flatten(1)[:, :4]


TOOLS = Tools(features=Corner)


def gaussian(count: int, mean: list[float], covariance: np.ndarray, seed: int) -> Tensor:
    """(count, 4), moved and stretched so that mean and covariance are exactly these."""
    drawn = np.random.default_rng(seed).normal(size=(count, 4))
    drawn -= drawn.mean(0)
    drawn = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T))).T
    return torch.tensor(mean + drawn @ np.linalg.cholesky(covariance).T, dtype=torch.float32)


def drawn(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def as_pictures(features: Tensor) -> Tensor:
    return features.view(-1, 1, 2, 2).expand(-1, 3, -1, -1)


def test_fid_of_known_gaussians_is_the_closed_form():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    first, second = np.array([1.0, 4, 9, 16]), np.array([4.0, 1, 25, 16])
    fake = gaussian(60, [0, 1, 2, 3], turn * first @ turn.T, 1)
    real = gaussian(75, [1, 1, 0, 3], turn * second @ turn.T, 2)
    measuring = Measuring({"fid": FidMetric(TOOLS)})
    measuring.add([str(i) for i in range(60)], {"fake": as_pictures(fake)})
    for part in as_pictures(real).split(40):
        measuring.add([str(i) for i in range(len(part))], {"real": part})
    value = measuring.report().values["fid"]
    # covariances with common axes: |difference of means|² + sum of (difference of standard deviations)²
    assert value.value == pytest.approx(1 + 4 + 1 + 1 + 4 + 0, rel=1e-4)
    assert (value.n, value.references, value.low, value.high) == (60, 75, None, None)


def test_fid_of_equal_sets_is_0_and_not_below():
    features = drawn(9)
    assert FidMetric(TOOLS).distance(features, features) == pytest.approx(0, abs=1e-6)
    assert FidMetric(TOOLS).distance(features, features) >= 0


def unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Bińkowski et al. 2018, eq. 4, pair by pair."""
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (a @ b / len(a) + 1) ** 3
    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * np.mean([[kernel(a, b) for b in y] for a in x])


def test_kid_of_sets_of_one_size_is_the_unbiased_kernel_distance():
    fake, real = drawn(12), drawn(12, 1) + 0.5
    expected = unbiased_mmd(fake.double().numpy(), real.double().numpy())
    assert KidMetric(TOOLS).distance(fake, real) == pytest.approx(expected, rel=1e-6)


def test_kid_of_large_sets_is_the_mean_over_subsets_and_always_the_same():
    fake, real = drawn(230), drawn(160, 1) + 0.5
    expected = unbiased_mmd(fake.double().numpy(), real.double().numpy())
    before = torch.get_rng_state()
    values = [KidMetric(TOOLS).distance(fake, real) for _ in range(2)]
    assert values[0] == values[1] == pytest.approx(expected, rel=0.1)
    assert torch.equal(torch.get_rng_state(), before)


def test_notes_say_how_far_the_numbers_can_be_trusted():
    fid, kid = FidMetric(TOOLS), KidMetric(TOOLS)
    assert fid.notes(5, 9) == [] and "4 pictures are not more than the 4 features" in fid.notes(9, 4)[0]
    assert kid.notes(30, 500) == ["mean over 100 subsets of 30 pictures of each set"]
    assert kid.notes(130, 500) == ["mean over 100 subsets of 100 pictures of each set"]
