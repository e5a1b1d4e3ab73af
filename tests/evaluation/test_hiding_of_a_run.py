"""The check for hidden inputs, beside a translation that must not be touched by it."""
from contextlib import nullcontext
from types import SimpleNamespace

import torch
from torch import nn

from evaluation.hiding import LOOKED_AT, Hiding
from runs.translating import Translated


class Honest(nn.Module):
    """The negative, with dropout that changes nothing but draws."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.rand(())
        return -x


class Reads(nn.Module):
    """Makes faint differences large."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (200 * x).clamp(-1, 1)


def engine(**nets: nn.Module) -> SimpleNamespace:
    model = SimpleNamespace(nets=nn.ModuleDict(nets), same_statistics=nullcontext)
    return SimpleNamespace(model=model, device=torch.device("cpu"))


def batches(count: int) -> list[Translated]:
    """A -> B hides A in a hundredth of a gray picture, B -> A is the negative."""
    made = []
    for number in range(count):
        A, B = (2 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) - 1
                for seed in (number, number + 100))
        images = {"real_A": A, "fake_B": A / 200, "real_B": B, "fake_A": -B}
        made.append(Translated(["x", "y"], {}, images, []))
    return made


def test_hidden_inputs_are_found_in_their_direction():
    hiding, made = Hiding(engine(G_A=Honest(), G_B=Reads())), batches(3)
    before = torch.get_rng_state()
    assert list(hiding.watch(made)) == made
    assert torch.equal(before, torch.get_rng_state())
    warning, = hiding.warnings()
    assert warning.startswith("fake_B: the way back reads what nobody sees: it errs by 0.0 gray levels")


def test_a_share_is_looked_at_and_models_without_a_way_back_are_not():
    hiding = Hiding(engine(G_A=Honest(), G_B=Reads()))
    list(hiding.watch(batches(LOOKED_AT)))
    assert hiding.seen == LOOKED_AT
    pix2pix = Hiding(engine(G=Honest()))
    list(pix2pix.watch(batches(1)))
    assert pix2pix.warnings() == []
