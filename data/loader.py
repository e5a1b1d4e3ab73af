"""Batches in an order, and with random numbers, that depend on the seed and the epoch alone."""
from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

import data
from data.base_dataset import BaseDataset, Sample
from data.check import check_sizes
from data.transforms import Preprocess
from options.schema import Options
from util.errors import MachineError, UserError

Key = tuple[int, int]
"""(index of a sample, seed of its random source)."""


def open_loader(opt: Options, size_multiple: int, min_size: int, augment: bool) -> Loader:
    """The loader of the dataset that the options name, checked; prints a notice when sizes have to be adjusted.

    size_multiple, min_size: what the networks accept, in pixels; augment: shuffled and with random crops and flips.
    Raises UserError when folders or sizes are wrong.
    """
    dataset = data.find(opt.dataset_mode)(opt, Preprocess(opt, size_multiple, min_size, augment))
    for notice in check_sizes(dataset, opt.batch_size):
        print(notice)
    return Loader(dataset, opt.batch_size, opt.num_threads, opt.seed, shuffle=augment and not opt.serial_batches)


class Loader:
    """The batches of each epoch. The same seed gives the same batches, with any number of workers.

    Each batch is what the samples are, stacked: 'A' (B, C, H, W), 'A_paths' a list of B names, and so on.
    """

    def __init__(self, dataset: BaseDataset, batch_size: int, num_threads: int, seed: int, shuffle: bool):
        self.dataset = dataset
        self.images = len(dataset)
        self.num_threads = min(num_threads, -(-len(dataset) // batch_size))  # a worker loads whole batches
        warnings.filterwarnings("ignore", "This DataLoader will create")  # --num_threads says how many are wanted
        self.sampler = _EpochSampler(len(dataset), seed, shuffle)
        self.batches = DataLoader(
            _Seeded(dataset), batch_size, sampler=self.sampler, num_workers=self.num_threads, collate_fn=_stack,
            persistent_workers=self.num_threads > 0, pin_memory=torch.cuda.is_available())

    def epoch(self, epoch: int) -> Iterator[dict[str, Any]]:
        """The batches of that epoch. Raises UserError for unreadable images, MachineError for workers that fail."""
        self.sampler.epoch = epoch
        try:
            for batch in self.batches:
                if isinstance(batch, UserError):
                    raise batch
                yield batch
        except (OSError, RuntimeError, AssertionError) as error:
            if self.num_threads == 0 or not _is_about_workers(error):
                raise
            raise MachineError(
                f"the {self.num_threads} worker processes of --num_threads failed: {_first_line(error)}.\n"
                "They may lack memory, shared memory (/dev/shm) or open files; give a smaller --num_threads, "
                "or --num_threads 0 to load images in the main process") from None


    def first(self, count: int) -> Iterator[dict[str, Any]]:
        """The first `count` samples in batches, for testing."""
        self.sampler.length = min(count, self.images)
        return self.epoch(1)


class _EpochSampler(Sampler[Key]):
    """Every index once an epoch, shuffled by (seed, epoch), each with a seed of its own."""

    def __init__(self, length: int, seed: int, shuffle: bool):
        self.length, self.seed, self.shuffle = length, seed, shuffle
        self.epoch = 1

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Key]:
        source = random.Random(f"{self.seed} {self.epoch}")
        order = list(range(self.length))
        if self.shuffle:
            source.shuffle(order)
        return iter([(index, source.getrandbits(63)) for index in order])


class _Seeded(Dataset):
    """Samples by (index, seed); a UserError travels as a value, because a raised one would lose its text."""

    def __init__(self, dataset: BaseDataset):
        self.dataset = dataset

    def __getitem__(self, key: Key) -> Sample | UserError:
        index, seed = key
        try:
            return self.dataset.sample(index, random.Random(seed))
        except UserError as error:
            return error


def _stack(samples: list[Sample | UserError]) -> dict[str, Any] | UserError:
    for sample in samples:
        if isinstance(sample, UserError):
            return sample
    sizes = {tuple(sample["A"].shape[:0:-1]): sample["A_paths"] for sample in samples}
    if len(sizes) > 1:
        found = ", ".join(f"{width}x{height} ({path})" for (width, height), path in sizes.items())
        return UserError(f"images of different sizes cannot form a batch, found {found}; "
                         "give --batch_size 1, or a --preprocess that crops")
    return default_collate(samples)


def _is_about_workers(error: Exception) -> bool:
    return isinstance(error, OSError) or any(word in str(error) for word in ("worker", "shared memory", "shm"))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
