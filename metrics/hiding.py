"""Does a generator hide its input in its answer, where nobody sees it?

A cycle is to bring the source back, so a generator may write what its translation must not show, such as the roofs
under a plain map, into faint noise, which the way back reads (Chu et al. 2017, CycleGAN, a Master of Steganography).
What is written like that is lost when the translation is rounded to 8 bits and slightly disturbed.
"""
import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

NOISE = 2.0  # gray levels, of a normal distribution: invisible, and no more than storing a picture as a JPEG does
WORSE = 2.0  # times: a way back that sees what we see does not err twice as much for what we cannot see
GAIN = 4.0  # times: a way back may stretch the contrast of its input, and the noise with it, as much as this


class HidingCheck:
    """Compares the reconstruction of translations as they are with that of translations slightly disturbed."""

    def __init__(self) -> None:
        self._noise = Generator().manual_seed(0)
        self._errors: list[Tensor] = []  # of each sample, (2,): as it is, disturbed

    @torch.no_grad()
    def add(self, source: Tensor, fake: Tensor, back: Callable[[Tensor], Tensor]) -> None:
        """A batch. source, fake: (B, 3, H, W) in [0, 1], as the generator gave it; back: from such a fake to a source.
        """
        noise = torch.randn(fake.shape, generator=self._noise).to(fake) * NOISE
        disturbed = (((fake * 255).round() + noise) / 255).clamp(0, 1)
        errors = [255 * (back(seen) - source).abs().mean((1, 2, 3)) for seen in (fake, disturbed)]
        self._errors.append(torch.stack(errors, 1).double().cpu())

    def errors(self) -> tuple[float, float]:
        """Mean absolute errors of the reconstruction in gray levels: of the fake as it is, and of the disturbed one."""
        exact, disturbed = torch.cat(self._errors).mean(0).tolist()
        return exact, disturbed

    def warning(self) -> str:
        """What the user should know; '' when the reconstruction lives on what can be seen.

        It does not when the disturbance makes the error more than WORSE times as large, by more than GAIN times what
        the noise itself is.
        """
        exact, disturbed = self.errors()
        noise = NOISE * math.sqrt(2 / math.pi)  # mean of its absolute value
        if disturbed <= WORSE * exact or disturbed - exact <= GAIN * noise:
            return ""
        return (f"the way back reads what nobody sees: it errs by {exact:.1f} gray levels, and by {disturbed:.1f} "
                f"once its input is rounded to 8 bits with noise of {NOISE:g} gray levels. The generator hides the "
                "source in its translation, so a low reconstruction error says little here")
