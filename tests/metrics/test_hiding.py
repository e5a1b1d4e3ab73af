"""Reconstruction of a cycle, and whether it lives on what can be seen."""
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.base_metric import Tools
from metrics.hiding import GAIN, NOISE, HidingCheck
from metrics.rec_metric import RecMetric


def sources(count: int = 4) -> Tensor:
    """(count, 3, 32, 32), smooth and colourful."""
    return F.interpolate(torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(1)), (32, 32),
                         mode="bilinear")


def check(source: Tensor, fake: Tensor, back) -> HidingCheck:
    result = HidingCheck()
    for part in (slice(0, 3), slice(3, None)):  # in batches
        result.add(source[part], fake[part], back)
    return result


def test_rec_is_the_mean_absolute_difference_of_source_and_reconstruction():
    source = torch.zeros(2, 3, 2, 2)
    rec = torch.tensor([0.2, 0.4])[:, None, None, None] * torch.tensor([1.0, 0.0])  # half of the pixels
    pictures = {"source": source, "rec": rec.expand_as(source)}
    assert RecMetric(Tools()).statistics(pictures).tolist() == pytest.approx([25.5, 51])
    assert (RecMetric.needs, RecMetric.paired) == (("source", "rec"), False)


def test_what_is_hidden_below_the_8_bits_is_found():
    source = sources()
    fake = (100 + 0.4 * source) / 255  # a plain gray picture to the eye
    hiding = check(source, fake, lambda seen: ((255 * seen - 100) / 0.4).clamp(0, 1))
    exact, disturbed = hiding.errors()
    assert exact < 0.1 and disturbed > 80
    assert "errs by 0.0 gray levels, and by" in hiding.warning()


def test_what_is_hidden_in_the_lowest_bits_is_found():
    source = sources()
    levels = (3 * source).round()
    fake = (100 + levels) / 255  # survives rounding to 8 bits, not the noise
    hiding = check(source, fake, lambda seen: ((255 * seen).round() - 100).remainder(4) / 3)
    assert hiding.errors()[0] == pytest.approx(255 * (levels / 3 - source).abs().mean().item(), rel=1e-4)
    assert "hides the source" in hiding.warning()


@pytest.mark.parametrize(("there", "back"), [
    (lambda x: 1 - x, lambda x: 1 - x),  # exact, and everything is to be seen
    (lambda x: 0.4 + x / 3, lambda x: 3 * (x - 0.4)),  # exact, with little contrast
    (lambda x: F.avg_pool2d(x, 8), lambda x: F.interpolate(x, scale_factor=8)),  # loses, and does not pretend
    (lambda x: x.mean(1, keepdim=True).expand_as(x), lambda x: x),
], ids=["negative", "pale", "coarse", "gray"])
def test_an_honest_translation_is_not_suspected(there, back):
    source = sources()
    hiding = check(source, there(source), back)
    exact, disturbed = hiding.errors()
    assert hiding.warning() == "" and disturbed - exact < GAIN * NOISE


def test_the_check_is_the_same_each_time_and_leaves_random_numbers_alone():
    source = sources()
    before = torch.get_rng_state()
    first, second = (check(source, source, lambda x: x).errors() for _ in range(2))
    assert first == second and torch.equal(torch.get_rng_state(), before)
    assert first[0] == 0 and first[1] == pytest.approx(NOISE * 0.8, rel=0.1)
