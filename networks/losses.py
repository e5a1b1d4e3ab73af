"""The adversarial losses: what a discriminator and what a generator minimise."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.layers import samples_alone

Prediction = Tensor | Sequence[Tensor]
"""What a discriminator says of images: logits of any shape, or a list of them, one for each scale or head."""


@dataclass(frozen=True)
class GanMode:
    """Losses over what a discriminator says of real and of generated images, logits of any shape; each gives a scalar.

    real, fake: the discriminator's terms; fool: the generator's. All are called with (of_real, of_fake); `fool` of a
    mode that is not `relativistic` does not look at of_real. penalised: the discriminator pays `gradient_penalty` too.
    """

    real: Callable[[Tensor, Tensor], Tensor]
    fake: Callable[[Tensor, Tensor], Tensor]
    fool: Callable[[Tensor, Tensor], Tensor]
    relativistic: bool = False
    penalised: bool = False
    undecided: float | None = None


def _vanilla(says: Tensor, is_real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(says, torch.full_like(says, float(is_real)))


def _squared(says: Tensor, is_real: bool) -> Tensor:
    return F.mse_loss(says, torch.full_like(says, float(is_real)))


GAN_MODES: dict[str, GanMode] = {
    # squared distance to 1 or 0 (CycleGAN, section 4); undecided: 1/2 (Mao et al. 2017, eq. 5, with a = 0, b = c = 1)
    "lsgan": GanMode(real=lambda real, fake: _squared(real, True), fake=lambda real, fake: _squared(fake, False),
                     fool=lambda real, fake: _squared(fake, True), undecided=0.5),
    # binary cross entropy (pix2pix, eq. 1); undecided: D = 1/2 (Goodfellow et al. 2014, section 4.1)
    "vanilla": GanMode(real=lambda real, fake: _vanilla(real, True), fake=lambda real, fake: _vanilla(fake, False),
                       fool=lambda real, fake: _vanilla(fake, True), undecided=0.0),
    # the mean of a critic (Gulrajani et al. 2017, eq. 3)
    "wgangp": GanMode(real=lambda real, fake: -real.mean(), fake=lambda real, fake: fake.mean(),
                      fool=lambda real, fake: -fake.mean(), penalised=True),
    # what lies beyond a margin teaches D no more (Miyato et al. 2018, eq. 16 and 17)
    "hinge": GanMode(real=lambda real, fake: F.relu(1 - real).mean(), fake=lambda real, fake: F.relu(1 + fake).mean(),
                     fool=lambda real, fake: -fake.mean()),
    # is real more real than the mean fake, and the other way round? (Jolicoeur-Martineau 2019, RaSGAN, section 4.2);
    # undecided: any constant; convexity (Jensen) forbids others
    "relativistic": GanMode(
        real=lambda real, fake: _vanilla(real - fake.mean(), True),
        fake=lambda real, fake: _vanilla(fake - real.mean(), False),
        fool=lambda real, fake: _vanilla(fake - real.mean(), True) + _vanilla(real - fake.mean(), False),
        relativistic=True, undecided=0.0),
}


def at_equilibrium(gan_mode: str) -> tuple[float, float] | None:
    """A term of the discriminator (those of real and of generated images are the same) and the generator's, when the
    discriminator is undecided; None where theory does not tell."""
    mode = GAN_MODES[gan_mode]
    if mode.undecided is None:
        return None
    says = torch.full((1,), mode.undecided, dtype=torch.float64)
    return mode.real(says, says).item(), mode.fool(says, says).item()


def generator_loss(netD: nn.Module, fake: Tensor, real: Tensor, gan_mode: str) -> Tensor:
    """How far `netD` is from taking `fake` for real: the generator's adversarial term, a scalar.

    fake, real: (B, C, H, W). The real images are judged in relativistic modes only. Of a discriminator with several
    predictions the mean counts.
    """
    mode = GAN_MODES[gan_mode]
    of_fake = _listed(netD(fake))
    of_real = _listed(netD(real)) if mode.relativistic else of_fake
    return _mean(mode.fool, of_real, of_fake)


def discriminator_losses(netD: nn.Module, real: Tensor, fake: Tensor, gan_mode: str, merge: bool = False
                         ) -> dict[str, Tensor]:
    """The terms of a discriminator's objective: 'real', 'fake' and, for wgangp, 'penalty'. Scalars.

    real, fake: (B, C, H, W); fake is detached here, so that nothing flows back to the generator. merge: see `passes`.
    """
    mode, fake = GAN_MODES[gan_mode], fake.detach()
    of_real, of_fake = map(_listed, passes(netD, real, fake, merge=merge))
    terms = {"real": _mean(mode.real, of_real, of_fake), "fake": _mean(mode.fake, of_real, of_fake)}
    if mode.penalised:
        real, fake = _of_one_size(real, fake)  # pixel by pixel of both, and unpaired images differ in size
        mix = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
        terms["penalty"] = gradient_penalty(netD, real, fake, mix)
    return terms


def swapped_losses(netD: nn.Module, real: Tensor, fake: Tensor, gan_mode: str, merge: bool = False
                   ) -> dict[str, Tensor]:
    """The terms 'real' and 'fake' of what those minimise who want real taken for fake, and fake for real. Scalars.

    real, fake: (B, C, H, W), of any origin: gradients flow to both (Donahue et al. 2017, section 3.4). merge: see
    `passes`.
    """
    mode = GAN_MODES[gan_mode]
    of_real, of_fake = map(_listed, passes(netD, real, fake, merge=merge))
    return {"real": _mean(mode.fake, of_fake, of_real), "fake": _mean(mode.real, of_fake, of_real)}


def gradient_penalty(netD: nn.Module, real: Tensor, fake: Tensor, mix: Tensor, weight: float = 10.0) -> Tensor:
    """weight * E[(|grad_x D(x)| - 1)^2] at x = mix * real + (1 - mix) * fake (Gulrajani et al. 2017, eq. 3).

    real, fake: (B, C, H, W), without gradients; mix: (B, 1, 1, 1) in [0, 1], drawn by the caller.
    """
    x = (mix * real + (1 - mix) * fake).requires_grad_(True)
    predictions = _listed(netD.forward(x))  # never compiled: torch.compile has no second derivatives
    ones = [torch.ones_like(says) for says in predictions]
    (gradient,) = torch.autograd.grad(predictions, x, ones, create_graph=True)
    norm = (gradient.flatten(1) + 1e-16).norm(2, dim=1)  # the shift keeps the derivative finite at zero
    return weight * ((norm - 1) ** 2).mean()


def _of_one_size(*images: Tensor) -> list[Tensor]:
    """The middle of each, (B, C, H, W), in the smallest height and width among them."""
    from torchvision.transforms.v2.functional import center_crop  # torchvision costs a second to import

    return [center_crop(image, [min(other.shape[side] for other in images) for side in (2, 3)]) for image in images]


def l1_of_each(some: Tensor, others: Tensor) -> Tensor:
    """The mean absolute difference of each sample: (B, C, H, W) twice -> (B,), counted in at least 32 bits."""
    return F.l1_loss(_wide(some), _wide(others), reduction="none").flatten(1).mean(1)


def passes(net: nn.Module, *inputs: Tensor, merge: bool) -> Sequence[Any]:
    """net(x), a tensor or a list of them, for each of the inputs, (B, C, H, W); merge: in one pass if of one shape.

    One pass is the same mathematics where the network looks at each sample by itself; others are never merged.
    """
    if not merge or len({x.shape for x in inputs}) > 1 or not samples_alone(net):
        return [net(x) for x in inputs]
    made = net(torch.cat(inputs))
    if isinstance(made, Tensor):
        return made.chunk(len(inputs))
    return list(zip(*(part.chunk(len(inputs)) for part in made), strict=True))


def _listed(prediction: Prediction) -> list[Tensor]:
    """The predictions as a list, in at least 32 bits: sums of many values need them."""
    return [_wide(part) for part in ([prediction] if isinstance(prediction, Tensor) else prediction)]


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _mean(loss: Callable[[Tensor, Tensor], Tensor], of_real: Sequence[Tensor], of_fake: Sequence[Tensor]) -> Tensor:
    return torch.stack([loss(real, fake) for real, fake in zip(of_real, of_fake, strict=True)]).mean()
