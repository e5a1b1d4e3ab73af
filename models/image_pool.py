"""The history of generated images shown to a discriminator."""
import torch
from torch import Generator, Tensor


class ImagePool:
    """Keeps `size` earlier fakes; half of the time it answers with an old one instead of the new.

    Reduces oscillation (Shrivastava et al. 2017; CycleGAN, section 4). A pool of size 0 answers with the new ones.
    """

    def __init__(self, size: int):
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fakes: Tensor, generator: Generator) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), detached: each fake itself, or one that was made earlier; NaN and
        infinity become 0.

        generator: decides which, drawn from on the CPU.
        """
        fakes = fakes.detach()
        if self.size <= 0:
            return fakes
        fakes = fakes.nan_to_num(0, 0, 0)  # NaN must not come back later
        answers = [self._exchange(fake, generator).to(fakes) for fake in fakes]
        if len(fakes) > 1:  # of mixed sizes only one at a time can be shown
            answers = [old if old.shape == fake.shape else fake for old, fake in zip(answers, fakes, strict=True)]
        return torch.stack(answers)

    def _exchange(self, fake: Tensor, generator: Generator) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(fake.clone())  # a view would keep its whole batch in memory
            return fake
        if torch.rand((), generator=generator) < 0.5:
            return fake
        slot = int(torch.randint(self.size, (), generator=generator))
        old, self.images[slot] = self.images[slot], fake.clone()
        return old
