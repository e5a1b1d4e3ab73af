"""Each weight on the command line reaches its term, and no other; and how networks begin."""
import pytest
import torch

from helpers.commands import TINY
from helpers.engines import start, take_step

CYCLE_GAN = {"G_A": 1, "G_B": 1, "D_A": 1, "D_B": 1, "cycle_A": 10, "cycle_B": 10, "idt_A": 5, "idt_B": 5}  # defaults


def losses(line: str) -> dict[str, float]:
    """Of the first step, from weights and images that are always the same."""
    source = torch.Generator().manual_seed(1)
    images = {side: torch.rand(1, 3, 32, 32, generator=source) * 2 - 1 for side in "AB"}
    report = take_step(start(f"{TINY} --no_dropout --lr 0 {line}"), images)
    return {name: value.item() for name, value in report.losses.items()}


@pytest.mark.parametrize("line, weights", [
    ("--model cycle_gan --lambda_A 3", CYCLE_GAN | {"cycle_A": 3, "idt_B": 1.5}),
    ("--model cycle_gan --lambda_B 7", CYCLE_GAN | {"cycle_B": 7, "idt_A": 3.5}),
    ("--model cycle_gan --lambda_identity 2", CYCLE_GAN | {"idt_A": 20, "idt_B": 20}),
    ("--model pix2pix --lambda_L1 7", {"D_real": 1, "D_fake": 1, "G_GAN": 1, "G_L1": 7}),
    ("--model template --lambda_regression 7", {"G": 7}),
])
def test_a_weight_reaches_its_own_term_alone(line: str, weights: dict[str, float]):
    model = line.partition(" --lambda")[0]
    usual = losses(model)
    defaults = {"G_L1": 100, "G": 1} | CYCLE_GAN
    expected = {name: usual[name] * weight / defaults.get(name, 1) for name, weight in weights.items()}
    assert losses(line) == pytest.approx(expected, rel=1e-5)


def test_the_initial_weights_are_those_asked_for():
    nets = start(f"--model pix2pix {TINY} --init_type orthogonal --init_gain 0.5").model.nets
    assert set(nets) == {"G", "D"}
    for name, net in nets.items():
        rows = next(p for key, p in net.named_parameters() if key.endswith("weight")).detach().flatten(1)
        assert torch.allclose(rows @ rows.T, 0.25 * torch.eye(len(rows)), atol=1e-5), name
