"""Batches in an order, and with random numbers, that depend on the seed and the epoch alone."""
from __future__ import annotations

import random
import signal
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

SHORTAGES = ("DataLoader worker (pid", "</torch_",  # died; a file in shared memory
             "open files", "No space left", "Cannot allocate memory")
_failed_starts: list[Exception] = []  # kept: PyTorch prints a traceback when workers of which some run are freed


def open_loader(opt: Options, needs: tuple[str, ...], size_multiple: int, min_size: int, augment: bool) -> Loader:
    """The loader of the dataset that the options name, checked; prints a notice when sizes have to be adjusted.

    needs: what the model reads of a sample ('A', 'B'); size_multiple, min_size: what the networks accept, in pixels;
    augment: shuffled and with random crops and flips.
    Raises UserError when folders or sizes are wrong.
    """
    kind = data.find(opt.dataset_mode)
    if not set(needs) <= set(kind.gives):
        raise UserError(f"--model {opt.model} needs {' and '.join(needs)}, and --dataset_mode {opt.dataset_mode} gives only "
                        f"{' and '.join(kind.gives)}; leave out --dataset_mode for the one that fits")
    dataset = kind(opt, Preprocess(opt, size_multiple, min_size, augment))
    for notice in check_sizes(dataset, opt.batch_size):
        print(notice)
    return Loader(dataset, opt.batch_size, opt.num_threads, opt.seed, shuffle=augment and not opt.serial_batches)


def open_validation(opt: Options, needs: tuple[str, ...], size_multiple: int, min_size: int) -> Loader | None:
    """The loader of the held-out images that --lr_policy plateau measures on; None for the other policies."""
    if opt.lr_policy != "plateau":
        return None
    try:
        return open_loader(opt.replace(phase=opt.val_phase), needs, size_multiple, min_size, augment=False)
    except UserError as error:
        raise UserError(f"--lr_policy plateau measures on held-out images, --val_phase {opt.val_phase}: {error}") from None


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
            persistent_workers=self.num_threads > 0, pin_memory=torch.cuda.is_available(),
            generator=torch.Generator())

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[dict[str, Any]]:
        """The batches of that epoch. Raises UserError for unreadable images, MachineError for workers that fail."""
        return self._batches(epoch, self.images, skip)

    def first(self, count: int) -> Iterator[dict[str, Any]]:
        """The first `count` samples in batches, for testing; errors as in `epoch`."""
        return self._batches(1, min(count, self.images))

    def _batches(self, epoch: int, count: int, skip: int = 0) -> Iterator[dict[str, Any]]:
        self.sampler.epoch, self.sampler.length, self.sampler.skip = epoch, count, skip
        try:
            for batch in self._start():
                if isinstance(batch, UserError):
                    raise type(batch)(str(batch))  # not itself: the traceback's reference to it would delay the workers' end
                yield batch
        except (OSError, RuntimeError) as error:
            if self.num_threads == 0 or not _is_shortage(error):
                raise
            raise MachineError(
                f"the worker processes of --num_threads failed: {_reason(error)}.\n"
                "They may lack memory, shared memory (/dev/shm) or open files; give a smaller --num_threads, "
                "or --num_threads 0 to load images in the main process") from None

    def _start(self) -> Iterator[Any]:
        """The batches without PyTorch's signal handler: when a worker dies it raises wherever the main process is then.

        The next batch tells it as well.
        """
        if self.num_threads == 0 or not hasattr(signal, "SIGCHLD"):
            return iter(self.batches)
        handler = signal.getsignal(signal.SIGCHLD)
        try:
            batches = iter(self.batches)
        except OSError as error:
            _failed_starts.append(error)
            raise
        if signal.getsignal(signal.SIGCHLD) is not handler:
            signal.signal(signal.SIGCHLD, handler)
        return batches


class _EpochSampler(Sampler[Key]):
    """Every index once an epoch, shuffled by (seed, epoch), each with a seed of its own."""

    def __init__(self, length: int, seed: int, shuffle: bool):
        self.length, self.seed, self.shuffle = length, seed, shuffle
        self.epoch = 1
        self.skip = 0

    def __len__(self) -> int:
        return self.length - self.skip

    def __iter__(self) -> Iterator[Key]:
        source = random.Random(f"{self.seed} {self.epoch}")
        order = list(range(self.length))
        if self.shuffle:
            source.shuffle(order)
        return iter([(index, source.getrandbits(63)) for index in order][self.skip:])


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
    for name in ("A", "B"):
        sizes = {sample[name].shape[:0:-1]: sample["A_paths"] for sample in samples if name in sample}
        if len(sizes) > 1:
            found = ", ".join(f"{width}x{height} ({path})" for (width, height), path in sizes.items())
            return UserError(f"images of different sizes cannot form a batch, found {found}; "
                             "give --batch_size 1, or a --preprocess that crops")
    return {**default_collate(samples), "asked": len(samples)}


def _is_shortage(error: Exception) -> bool:
    """Whether workers lack something; no other errors of a dataset, which arrive as 'Caught ...' with a traceback."""
    unable_to_start = isinstance(error, OSError) and not str(error).startswith("Caught ")
    return unable_to_start or any(word in _reason(error) for word in SHORTAGES)


def _reason(error: Exception) -> str:
    """The first sentence of the last line: without the traceback before it and PyTorch's own advice after it."""
    return (str(error).splitlines() or [type(error).__name__])[-1].split(". ")[0].rstrip(".")
