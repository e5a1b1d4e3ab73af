"""Many samples become numbers: values, intervals over samples, rows, and features that are computed once."""
import numpy as np
import pytest
import torch
from torch import Tensor

from metrics.base_metric import FeatureNet, Metric, Pictures, SetMetric, Tools
from metrics.mae_metric import MaeMetric
from metrics.measuring import Measuring, Value
from util.errors import UserError


class Ratio(Metric):
    """A ratio of two sums, which is not the mean of the samples' ratios."""

    better, about, source = "higher", "", ""

    def statistics(self, pictures: Pictures) -> Tensor:
        return torch.stack([pictures["fake"].sum((1, 2, 3)), pictures["real"].sum((1, 2, 3))], 1)

    def of_each(self, statistics: Tensor) -> Tensor:
        return statistics[:, 0] / statistics[:, 1]


class MeanColour(FeatureNet):
    """Features: the mean of each channel. Counts what it looked at."""

    num_features = 3
    note = "these numbers mean little"

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return x.mean((2, 3))


class Apart(SetMetric):
    better, about, source = "lower", "", ""

    def distance(self, fake: Tensor, real: Tensor) -> float:
        return (fake.mean(0) - real.mean(0)).abs().max().item()


class Spread(Apart):
    def distance(self, fake: Tensor, real: Tensor) -> float:
        return (fake.std() - real.std()).abs().item()


def flat(*levels: float, size: int = 4) -> Tensor:
    """(B, 3, size, size), a gray of its own each."""
    return torch.tensor(levels, dtype=torch.float32)[:, None, None, None].expand(-1, 3, size, size)


def test_values_are_means_over_samples_and_rows_are_each_samples_own():
    measuring = Measuring({"mae_fake_B": MaeMetric(Tools())})
    measuring.add(["1", "2"], {"fake": flat(0.1, 0.4), "real": flat(0, 0)})
    measuring.add(["3"], {"fake": flat(0.7, size=9), "real": flat(0, size=9)})
    report = measuring.report()
    value = report.values["mae_fake_B"]
    assert (value.value, value.n, value.references) == (pytest.approx(255 * 0.4), 3, 3)
    assert {name: row["mae_fake_B"] for name, row in report.rows.items()} == pytest.approx(
        {"1": 25.5, "2": 102, "3": 178.5})
    assert report.notes == []


def test_the_interval_is_that_of_resampled_sets():
    rng = np.random.default_rng(1)
    fake, real = rng.uniform(0.2, 0.8, 40), rng.uniform(0.2, 0.8, 40)
    measuring = Measuring({"ratio": Ratio(Tools()), "mae": MaeMetric(Tools())})
    measuring.add([str(i) for i in range(40)], {"fake": flat(*fake), "real": flat(*real)})
    values = measuring.report().values
    draws = rng.integers(40, size=(20000, 40))
    for name, resampled in {"ratio": fake[draws].sum(1) / real[draws].sum(1),
                            "mae": 255 * np.abs(fake - real)[draws].mean(1)}.items():
        low, high = np.quantile(resampled, (0.025, 0.975))
        assert values[name].low == pytest.approx(low, abs=0.1 * (high - low))
        assert values[name].high == pytest.approx(high, abs=0.1 * (high - low))
    assert values["ratio"].value == pytest.approx(fake.sum() / real.sum())
    assert measuring.report().values == values  # the draws are always the same


def test_a_single_sample_has_no_interval():
    measuring = Measuring({"mae": MaeMetric(Tools())})
    measuring.add(["1"], {"fake": flat(0.2), "real": flat(0)})
    assert measuring.report().values["mae"] == Value(pytest.approx(51), 1, 1, None, None)


def test_set_metrics_share_features_and_take_sets_of_unequal_number():
    tools = Tools(features=MeanColour)
    measuring = Measuring({"apart": Apart(tools), "spread": Spread(tools), "mae": MaeMetric(tools)})
    measuring.add(["1", "2"], {"fake": flat(0.1, 0.3), "real": flat(0, 0)})
    measuring.add(["extra"], {"real": flat(0.6, size=7)})
    report = measuring.report()
    assert tools.network.seen == 5
    assert report.values["apart"] == Value(pytest.approx(0, abs=1e-6), 2, 3, None, None)
    assert report.values["mae"].n == 2
    assert {name: set(row) for name, row in report.rows.items()} == {"1": {"mae"}, "2": {"mae"}}
    assert report.notes == ["apart: these numbers mean little", "spread: these numbers mean little"]


def test_random_numbers_of_others_are_left_alone():
    measuring = Measuring({"mae": MaeMetric(Tools())})
    measuring.add(["1", "2"], {"fake": flat(0.2, 0.3), "real": flat(0, 0)})
    before = torch.get_rng_state()
    measuring.report()
    assert torch.equal(torch.get_rng_state(), before)


def test_what_cannot_be_measured_is_refused_by_name():
    tools = Tools(features=MeanColour)
    measuring = Measuring({"mae": MaeMetric(tools), "apart": Apart(tools)})
    with pytest.raises(UserError, match=r"town 2: its picture 'fake' has values that are not numbers"):
        measuring.add(["town 1", "town 2"], {"fake": flat(0.1, float("nan")), "real": flat(0, 0)})
    with pytest.raises(UserError, match=r"town 1: mae compares .* \('fake' is 4 x 4, 'real' is 5 x 5\)"):
        measuring.add(["town 1"], {"fake": flat(0.1), "real": flat(0, size=5)})
    with pytest.raises(UserError, match=r"nothing was measured by mae: .* \(fake, real\)"):
        measuring.report()
    measuring.add(["town 1"], {"fake": flat(0.1), "real": flat(0)})
    measuring.add(["town 2"], {"real": flat(0)})
    with pytest.raises(UserError, match=r"apart .* at least 2 of each; there are 1 of fake and 2 of real"):
        measuring.report()
    with pytest.raises(UserError, match="--features inception or --features self"):
        Apart(Tools())
