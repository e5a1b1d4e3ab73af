"""What adversarial losses are worth when a discriminator cannot tell generated from real images."""
import math

import pytest
import torch

from networks.losses import GAN_MODES, at_equilibrium

LN2 = math.log(2)


@pytest.mark.parametrize("mode, values", [
    ("vanilla", (LN2, LN2)), ("lsgan", (0.25, 0.25)), ("relativistic", (LN2, 2 * LN2)), ("hinge", None),
    ("wgangp", None),
])
def test_values(mode: str, values: tuple[float, float] | None):
    assert at_equilibrium(mode) == (pytest.approx(values) if values else None)


@pytest.mark.parametrize("mode", [name for name, mode in GAN_MODES.items() if mode.undecided is not None])
def test_no_other_discriminator_does_better_on_equal_distributions(mode: str):
    """Real and generated images are the same ones: any other judgement of them costs more."""
    generator = torch.Generator().manual_seed(0)
    gan, (of_D, _) = GAN_MODES[mode], at_equilibrium(mode)
    for _ in range(20):
        says = gan.undecided + 0.5 * torch.randn(64, generator=generator, dtype=torch.float64)
        assert (gan.real(says, says) + gan.fake(says, says)) / 2 > of_D
