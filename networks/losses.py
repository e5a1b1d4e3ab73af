"""The adversarial losses."""
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GAN_MODES = ("lsgan", "vanilla", "wgangp")


def gan_loss(prediction: Tensor, is_real: bool, gan_mode: str) -> Tensor:
    """How far `prediction` is from what a discriminator should say of real (or fake) images.

    prediction: logits of any shape; returns a scalar.
    vanilla: binary cross entropy (pix2pix, eq. 1); lsgan: squared distance to 1 or 0 (CycleGAN, section 4);
    wgangp: the mean critic value, negative for real images (Gulrajani et al. 2017, eq. 3).
    """
    if gan_mode == "wgangp":
        return -prediction.mean() if is_real else prediction.mean()
    target = torch.full_like(prediction, 1.0 if is_real else 0.0)
    loss: Callable = F.mse_loss if gan_mode == "lsgan" else F.binary_cross_entropy_with_logits
    return loss(prediction, target)


def gradient_penalty(netD: nn.Module, real: Tensor, fake: Tensor, mix: Tensor, weight: float = 10.0) -> Tensor:
    """weight * E[(|grad_x D(x)| - 1)^2] at x = mix * real + (1 - mix) * fake (Gulrajani et al. 2017, eq. 3).

    real, fake: (B, C, H, W), without gradients; mix: (B, 1, 1, 1) in [0, 1], drawn by the caller.
    """
    x = (mix * real + (1 - mix) * fake).requires_grad_(True)
    prediction = netD(x)
    (gradient,) = torch.autograd.grad(prediction, x, torch.ones_like(prediction), create_graph=True)
    norm = (gradient.flatten(1) + 1e-16).norm(2, dim=1)  # the shift keeps the derivative finite at zero
    return weight * ((norm - 1) ** 2).mean()


def discriminator_terms(netD: nn.Module, real: Tensor, fake: Tensor, gan_mode: str, together: bool = False
                        ) -> dict[str, Tensor]:
    """The terms of a discriminator's objective: 'real', 'fake' and, for wgangp, 'penalty'. Scalars.

    real, fake: (B, C, H, W); fake is detached here, so that nothing flows back to the generator.
    together: judge both in one pass where they have one shape, for networks that look at each sample by itself.
    """
    fake = fake.detach()
    of_real, of_fake = passes(netD, real, fake, together=together)
    terms = {"real": gan_loss(of_real, True, gan_mode), "fake": gan_loss(of_fake, False, gan_mode)}
    if gan_mode == "wgangp":
        mix = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
        terms["penalty"] = gradient_penalty(netD, real, fake, mix)
    return terms


def passes(net: nn.Module, *inputs: Tensor, together: bool) -> Sequence[Tensor]:
    """net(x) for each of the inputs, (B, C, H, W) each; together: in one pass where they have one shape.

    One pass is the same mathematics where the network looks at each sample by itself: with instance norm or none, not with
    batch norm.
    """
    if not together or len({x.shape for x in inputs}) > 1:
        return [net(x) for x in inputs]
    return net(torch.cat(inputs)).chunk(len(inputs))
