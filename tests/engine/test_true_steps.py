"""Five steps of the classic implementation in double precision: every loss of each, and what the networks then make.

The weights of the losses are unlike, the pools answer from a script and the rate falls, so that an error in any weight,
rate, beta, pool or order shows. Fast against plain, or resumed against whole, cannot see an error on both sides.
"""
from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers.engines import options, scripted_pools, set_rate, start, take_step

FIXTURES = Path(__file__).parents[1] / "fixtures"
FIVE_EPOCHS = "--n_epochs 2 --n_epochs_decay 3"  # of one step each
TOLERANCE = 1e-12  # relative; found: 3e-14


def assert_near(found: Tensor, expected: Tensor, what: str) -> None:
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    assert error < TOLERANCE, f"{what}: off by {error:.1e}"


@pytest.mark.parametrize("flags", ["", "--plain"], ids=["default", "plain"])
@pytest.mark.parametrize("case", ["steps_cyclegan", "steps_cyclegan_batch3", "steps_pix2pix"])
def test_five_steps_are_those_of_the_classic_implementation(case: str, flags: str):
    truth = torch.load(FIXTURES / f"{case}.pt", weights_only=True)
    line = f"--model {truth['model']} {truth['flags']} {FIVE_EPOCHS} {flags}"
    engine, opt = start(line), options(line)
    nets = engine.model.nets.double()
    for name, net in nets.items():
        net.load_state_dict(truth["before"][name])

    for epoch, step in enumerate(truth["steps"], start=1):
        assert set_rate(engine, opt, epoch) == pytest.approx(step["lr"], rel=1e-14)
        batch = {side: step[side].double() for side in "AB"}
        with scripted_pools(step["pool"]):
            losses = take_step(engine, batch, epoch=epoch, images=(epoch - 1) * truth["batch"]).losses
        assert losses.keys() == step["losses"].keys()
        for name, loss in losses.items():
            assert_near(loss, torch.tensor(step["losses"][name], dtype=torch.float64), f"{name} of step {epoch}")

    A, B = (truth["steps"][0][side].double() for side in "AB")
    sees = {"G": A, "G_A": A, "D_B": A, "G_B": B, "D_A": B, "D": torch.cat([A, B], 1)}
    for name, expected in truth["after"].items():
        assert_near(nets[name](sees[name]).detach(), expected, f"{name} after all steps")
