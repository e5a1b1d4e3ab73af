"""Which samples an epoch has, in which order, and with which random numbers: a function of the seed and the epoch."""
import random
from collections.abc import Iterator
from itertools import cycle, islice
from typing import TypeVar

from torch.utils.data import Sampler

from util.torchrun import rank, world_size

T = TypeVar("T")
Key = tuple[int, int]
"""(index of a sample, seed of its random source)."""


class EpochSampler(Sampler[Key]):
    """Every index once an epoch, shuffled by (seed, epoch), each with a seed of its own; a part for each process."""

    def __init__(self, length: int, seed: int, shuffle: bool, batch_size: int):
        self.seed, self.shuffle, self.batch_size = seed, shuffle, batch_size
        self.choose(1, length, 0, shared=False)

    def choose(self, epoch: int, length: int, skip: int, shared: bool) -> None:
        """Give the samples `skip` to `length` of that epoch from now on. shared: every sample to one process only.

        Otherwise the samples are cut into steps, of which each process has its batch; the last step is filled up from
        the epoch's beginning.
        """
        self.epoch, self.length, self.skip, self.shared = epoch, length, skip, shared

    def __len__(self) -> int:
        return len(self._own(list(range(self.length))))

    def __iter__(self) -> Iterator[Key]:
        source = random.Random(f"{self.seed} {self.epoch}")
        order = list(range(self.length))
        if self.shuffle:
            source.shuffle(order)
        return iter(self._own([(index, source.getrandbits(63)) for index in order]))

    def _own(self, keys: list[T]) -> list[T]:
        """This process's part of a whole epoch."""
        left = keys[self.skip:]
        if world_size() == 1 or self.shared:
            return left[rank()::world_size()]
        size = self.batch_size * world_size()
        left += islice(cycle(keys), -len(left) % size)
        return [key for start in range(rank() * self.batch_size, len(left), size)
                for key in left[start:start + self.batch_size]]
