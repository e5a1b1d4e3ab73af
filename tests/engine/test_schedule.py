"""Learning rates are pure functions of the epoch; the last epoch still trains."""
import math

import pytest

from engine.schedule import cosine, linear, lr_factor, plateau, step

POLICIES = ("linear", "step", "plateau", "cosine")


def test_linear_is_flat_and_then_straight():
    factors = [linear(epoch, 3, 4) for epoch in range(1, 8)]
    assert factors == pytest.approx([1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_step_is_a_tenth_after_each_stretch():
    assert [step(epoch, 2) for epoch in range(1, 7)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_spans_all_epochs():
    assert [cosine(epoch, 2, 2) for epoch in range(1, 5)] == pytest.approx(
        [1, 0.5 + math.sqrt(0.5) / 2, 0.5, 0.5 - math.sqrt(0.5) / 2])


def test_plateau_falls_when_the_validation_value_stalls():
    falling = [1.0 / (n + 1) for n in range(20)]
    assert plateau(falling) == 1
    stalled = [1.0] + [0.995] * 6  # better by less than one hundredth: does not count
    assert plateau(stalled[:6]) == 1
    assert plateau(stalled) == pytest.approx(0.2)
    assert plateau(stalled + [0.995] * 6) == pytest.approx(0.04)
    assert plateau([1.0] + [2.0] * 5 + [0.5] + [2.0] * 5) == 1  # a better value starts the count anew


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("n_epochs, n_epochs_decay", [(100, 100), (1, 0), (0, 1), (5, 3)])
def test_the_last_epoch_trains(policy: str, n_epochs: int, n_epochs_decay: int):
    assert lr_factor(policy, n_epochs + n_epochs_decay, n_epochs, n_epochs_decay, 50) > 0


def test_an_unknown_policy_is_named():
    with pytest.raises(ValueError, match="'square'"):
        lr_factor("square", 1, 1, 1, 1)
