"""Which samples an epoch has, in which order, and with which random numbers: a function of the seed and the epoch."""
import random
from array import array
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from data.shard_order import ShardOrder
from util.torchrun import rank, world_size

Key = tuple[int, int]
"""(index of a sample, seed of its random source)."""


class EpochSampler(Sampler[Key]):
    """Every index once an epoch, shuffled by (seed, epoch), each with a seed of its own; a part for each process."""

    def __init__(self, length: int, seed: int, shuffle: bool, batch_size: int, shards: ShardOrder | None = None):
        """shards: the order of images in shards; None: in files of their own, which are shuffled all together."""
        self.seed, self.shuffle, self.batch_size, self.shards = seed, shuffle, batch_size, shards
        self.choose(1, length, 0, shared=False)

    def choose(self, epoch: int, length: int, skip: int, shared: bool) -> None:
        """Give the samples `skip` to `length` of that epoch from now on. shared: every sample to one process only.

        Otherwise the samples are cut into steps, of which each process has its batch; the last step is filled up from
        the epoch's beginning.
        """
        self.epoch, self.length, self.skip, self.shared = epoch, length, skip, shared

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[Key]:
        source = random.Random(f"{self.seed} {self.epoch}")
        if self.shards:
            order = self.shards.epoch(source, self.shuffle)
        else:
            order = array("q", range(self.length))
            if self.shuffle:
                source.shuffle(order)  # as it would a list
        seeds = array("q", (source.getrandbits(63) for _ in order))
        places = self.shards.followed(self._own()) if self.shards else self._own()
        return ((order[place], seeds[place]) for place in places)

    def _own(self) -> np.ndarray:
        """This process's places in a whole epoch."""
        left = np.arange(self.skip, self.length)
        if world_size() == 1 or self.shared:
            return left[rank()::world_size()]
        size = self.batch_size * world_size()
        filled = np.append(left, np.arange(-len(left) % size) % max(1, self.length))
        return filled.reshape(-1, world_size(), self.batch_size)[:, rank()].ravel()
