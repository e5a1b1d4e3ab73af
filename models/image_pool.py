"""The history of generated images shown to a discriminator."""
import torch
from torch import Tensor


class ImagePool:
    """Keeps `size` earlier fakes; half of the time it answers with an old one instead of the new.

    Reduces oscillation (Shrivastava et al. 2017; CycleGAN, section 4). A pool of size 0 answers with the new ones.
    """

    def __init__(self, size: int):
        self.size = size
        self.images: list[Tensor] = []

    def query(self, fakes: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), detached: each fake itself, or one that was made earlier; NaN becomes 0."""
        fakes = fakes.detach()
        if self.size <= 0:
            return fakes
        return torch.stack([self._exchange(fake).to(fakes) for fake in fakes.nan_to_num()])  # NaN must not come back later

    def _exchange(self, fake: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(fake.clone())  # a view would keep its whole batch in memory
            return fake
        if torch.rand(()) < 0.5:
            return fake
        slot = int(torch.randint(self.size, ()))
        old, self.images[slot] = self.images[slot], fake.clone()
        return old
