"""What every registered metric keeps to; a new one is enrolled by its file."""
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

import metrics
from metrics.base_metric import FeatureNet, SetMetric, Tools
from metrics.measuring import Measuring
from metrics.palette import Palette

pytest.importorskip("torchmetrics")
ROLES = {"source", "fake", "real", "rec"}
SIDES = {"ms_ssim": 176}  # pixels; for the others fewer are enough
COLOURS = torch.tensor([[0.1, 0.1, 0.9], [0.9, 0.2, 0.1], [0.2, 0.8, 0.3]])


class Colours(FeatureNet):
    """Features: mean and spread of each channel."""

    num_features = 6

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.cat((pictures.mean((2, 3)), pictures.std((2, 3))), 1)


def labels(name: str, seed: int, count: int = 4) -> Tensor:
    """(count, 3, side, side), large enough for the metric: blocks in three colours, more of the last."""
    block = SIDES.get(name, 44) // 11
    source = torch.Generator().manual_seed(seed)
    classes = torch.randint(4, (count, 11, 11), generator=source).clamp(max=2).repeat_interleave(block, 1)
    return COLOURS[classes.repeat_interleave(block, 2)].permute(0, 3, 1, 2)


def measured(name: str, alexnet: Path, answer: Tensor) -> tuple[Measuring, float]:
    """answer: what came back of the source labels(name, 0), and the translation of one that should become it."""
    tools = Tools(features=Colours, palette=Palette("abc", COLOURS), weights=alexnet)
    measuring = Measuring(metrics.make([name], tools))
    truth = labels(name, 0)
    measuring.add([str(i) for i in range(len(truth))], {"source": truth, "rec": answer, "real": truth, "fake": answer})
    return measuring, measuring.report().values[name].value


@pytest.mark.parametrize("name", metrics.names())
def test_a_metric_says_what_it_is(name: str):
    kind = metrics.find(name)
    assert kind.better in ("higher", "lower") and kind.needs and set(kind.needs) <= ROLES
    assert kind.about and kind.source and kind.__doc__ and "\n" not in kind.about
    assert not (issubclass(kind, SetMetric) and kind.paired)


@pytest.mark.parametrize("name", metrics.names())
def test_the_right_answer_is_better_than_wrong_ones_and_all_numbers_are_numbers(name: str, alexnet: Path):
    kind = metrics.find(name)
    truth = labels(name, 0)
    noise = 0.4 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    (measuring, right), (_, noisy), (_, plain) = (
        measured(name, alexnet, answer) for answer in (truth, (truth + noise).clamp(0, 1), torch.full_like(truth, 0.5)))
    for wrong in (noisy, plain):
        assert right > wrong if kind.better == "higher" else right < wrong
    for report in (measuring.report(), measured(name, alexnet, labels(name, 1))[0].report()):
        json.dumps(asdict(report), allow_nan=False)
        value = report.values[name]
        assert value.n == 4 and value.references == (4 if "real" in kind.needs else 0)
        if issubclass(kind, SetMetric):
            assert report.rows == {} and value.low is None
        else:
            assert list(report.rows) == [str(i) for i in range(4)]
            assert value.low <= value.value <= value.high


@pytest.mark.parametrize("name", [name for name in metrics.names() if not issubclass(metrics.find(name), SetMetric)])
def test_samples_of_a_batch_do_not_mix(name: str, alexnet: Path):
    metric = metrics.make([name], Tools(palette=Palette("abc", COLOURS), weights=alexnet))[name]
    truth, answer = labels(name, 0, 3), labels(name, 1, 3)
    pictures = {"source": truth, "rec": answer, "real": truth, "fake": answer}
    together = metric.of_each(metric.statistics(pictures).double())
    alone = [metric.value(metric.statistics({role: batch[i:i + 1] for role, batch in pictures.items()}))
             for i in range(3)]
    assert together.shape == (3,) and together.tolist() == pytest.approx(alone, rel=1e-5)
