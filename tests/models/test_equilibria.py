"""The dotted lines are what the models' losses are worth when their discriminators are undecided."""
import pytest
import torch
from torch import Tensor, nn

import models
from helpers.commands import TINY
from models.contract import Model
from networks.losses import GAN_MODES
from options.command_line import parse
from train import COMMAND

IMAGES = ("real_A", "fake_B", "rec_A", "idt_B", "real_B", "fake_A", "rec_B", "idt_A", "pool_A", "pool_B",
          "sample_A", "sample_B")


class Undecided(nn.Module):
    """Says the same of every image, on patches."""

    def __init__(self, says: float):
        super().__init__()
        self.says = says

    def forward(self, images: Tensor) -> Tensor:
        return images.new_full((len(images), 1, 4, 4), self.says)


def open_model(line: str, gan_mode: str) -> Model:
    opt = parse(COMMAND, f"--dataroot x {TINY} --model {line} --gan_mode {gan_mode}".split())
    model = models.find(opt.model)(opt)
    model.prepare_training()
    return model


@pytest.mark.parametrize("gan_mode", ["vanilla", "lsgan", "relativistic"])
@pytest.mark.parametrize("line, adversarial", [
    ("pix2pix --lambda_gan 3", {"G_GAN", "D_real", "D_fake"}), ("cycle_gan", {"G_A", "G_B", "D_A", "D_B"}),
    ("pix2pix --lambda_gan 0", set()), ("simgan", {"G_GAN", "D_real", "D_fake"}),
    ("bigan", {"G_A", "G_B", "D_real", "D_fake"}),
    ("cogan", {"G_A", "G_B", "D_A_real", "D_A_fake", "D_B_real", "D_B_fake"})])
def test_equilibria_are_the_losses_of_an_undecided_discriminator(line: str, adversarial: set[str], gan_mode: str):
    model = open_model(line, gan_mode)
    for net in [net for net in model.nets if net.startswith("D")]:
        model.nets[net] = Undecided(GAN_MODES[gan_mode].undecided)
    images = {image: torch.rand(1, 3, 32, 32) for image in IMAGES}
    losses = {name: loss.item() for update in model.updates for name, loss in update.losses(images).items()}
    assert model.equilibria.keys() == adversarial
    assert model.equilibria == pytest.approx({name: losses[name] for name in adversarial})


@pytest.mark.parametrize("gan_mode", ["wgangp", "hinge"])
def test_where_theory_knows_none(gan_mode: str):
    assert open_model("cycle_gan", gan_mode).equilibria == {}
