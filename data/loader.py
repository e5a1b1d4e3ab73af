"""Batches in an order, and with random numbers, that depend on the seed and the epoch alone."""
from __future__ import annotations

import random
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset, default_collate, get_worker_info

import data
from data.ahead import Ahead
from data.base_dataset import BaseDataset, Batch, Sample
from data.cache import lay_out, open_cache
from data.check import check_images, check_sizes
from data.folders import NoImages, other_trees
from data.parcel import Parcel
from data.paths import Paths
from data.sampler import EpochSampler, Key
from data.shard_order import ShardOrder, in_shards
from data.transforms import Preprocess
from data.value_ranges import choose_ranges
from data.workers import Watch, begin_worker, is_shortage, shortage, timed_out
from options.groups import DataOptions, RunOptions
from options.schema import Options
from raster.bad_image import BadImage
from util.errors import UserError
from util.torchrun import world_size

CPU = torch.device("cpu")
Stacked = tuple[Batch | Parcel | None, list[UserError]]
"""(the batch of the good samples, if there are any; what is wrong with the others)."""

_failed_starts: list[Exception] = []  # kept: PyTorch prints a traceback when workers of which some run are freed


def open_loader(options: Options, needs: tuple[str, ...], size_multiple: int, min_size: int, augment: bool,
                device: torch.device = CPU, phase_flag: str = "--phase", keep_size: bool = False) -> Loader:
    """The loader of the dataset that the options name, checked; its notices say what is left out or adjusted.

    needs: what the model reads of a sample ('A', 'B'); size_multiple, min_size: what the networks accept, in pixels;
    augment: shuffled and with random crops and flips; device: where --cache device keeps the images; phase_flag: what
    chooses the phase; keep_size: images are padded to what the networks accept, and never scaled or cropped.
    Raises UserError when folders, files or sizes are wrong, MachineError when there is no room for --cache.
    """
    opt, run = options.view(DataOptions), options.view(RunOptions)
    kind = data.find(opt.dataset_mode)
    if not set(needs) <= set(kind.gives):
        raise UserError(f"--model {run.model} needs {' and '.join(needs)}, and --dataset_mode {opt.dataset_mode} gives "
                        f"only {' and '.join(kind.gives)}; leave out --dataset_mode for the one that fits")
    num_threads = 0 if opt.cache == "device" else opt.num_threads  # a GPU's images are cropped there, by one process
    if opt.worker_timeout and not num_threads:
        found = ("--cache device has none: give --cache ram" if opt.cache == "device" else
                 "--num_threads 0 has none: give --num_threads 1 or more")
        raise UserError(f"--worker_timeout watches worker processes, and {found}, or leave out --worker_timeout")
    dataset = open_dataset(kind, options, Preprocess(options, size_multiple, min_size, augment, keep_size), phase_flag)
    looks, notices = check_images(dataset, opt.skip_bad_images)
    sizes = looks.map(lambda look: look.size)
    notices += choose_ranges(dataset, looks) + dataset.doubts(sizes) + check_sizes(dataset, sizes, opt.batch_size)
    if keep_size:
        dataset.kept = sizes
    if opt.cache != "none":
        scaled = {path: dataset.preprocess.scaled(size) for path, size in sizes.items()}
        layout = lay_out(dataset.image_files(), scaled, dataset.kept_as)
        dataset.cache = open_cache(options, layout, dataset.read_file, device, dataset.ranges)
    if dataset.cache:
        notices.append(dataset.cache.describe())
    return Loader(dataset, opt.batch_size, num_threads, run.seed, shuffle=augment and not opt.serial_batches,
                  skip_bad=opt.skip_bad_images, worker_timeout=opt.worker_timeout, pin_memory=opt.cache != "device",
                  least_side=min(min(dataset.preprocess.fitted(size)) for size in sizes.counts()),
                  notices=dataset.notices + notices)


def open_dataset(kind: type[BaseDataset], options: Options, preprocess: Preprocess, phase_flag: str) -> BaseDataset:
    """The dataset; where it finds no images, the NoImages says which other folder or phase has them."""
    try:
        return kind(options, preprocess)
    except NoImages as error:
        meant = _flags_that_find_images(kind, options, preprocess, phase_flag)
        raise NoImages(f"{error}\nDid you mean {meant} ?" if meant else str(error)) from None


def _flags_that_find_images(kind: type[BaseDataset], options: Options, preprocess: Preprocess, phase_flag: str
                            ) -> str:
    """'--dataroot ../maps --phase val' where the dataset does find images, '' when that is nowhere near."""
    opt = options.view(DataOptions)
    for root, phase in other_trees(Path(opt.dataroot), opt.phase):
        with suppress(UserError):
            kind(options.replace(dataroot=str(root), phase=phase), preprocess)
            elsewhere = [] if root == Path(opt.dataroot).absolute() else [f"--dataroot {root}"]
            return " ".join(elsewhere + ([] if phase == opt.phase else [f"{phase_flag} {phase}"]))
    return ""


class Loader:
    """The batches of each epoch. The same seed gives the same batches, with any number of workers.

    Each batch is what the samples are, stacked: 'A' (B, C, H, W), 'A_paths' a list of B names, and so on; and 'asked',
    how many samples were drawn for it since the batch before: B, and those that skip_bad left out.
    Of several processes each gets its slice of the batch that one process with a batch_size as large as all together
    would get, and 'asked' counts that whole batch.
    skip_bad: leave out images that cannot be read and tell of each in `skipped`.
    worker_timeout: seconds after which a batch that does not come is an error; 0: never.
    least_side: of the smallest image, in pixels, as it is brought to the networks.
    pin_memory: hand batches over in memory from which a GPU, if there is one, takes them faster.
    notices: what the user should know before the first step.
    """

    def __init__(self, dataset: BaseDataset, batch_size: int, num_threads: int, seed: int, shuffle: bool,
                 skip_bad: bool = False, worker_timeout: float = 0, pin_memory: bool = True,
                 least_side: int = 1, notices: Sequence[str] = ()):
        self.dataset, self.skip_bad, self.worker_timeout = dataset, skip_bad, worker_timeout
        self.images, self.least_side = len(dataset), least_side
        self.skipped: list[str] = []
        self.notices = list(notices)
        self.num_threads = min(num_threads, -(-len(dataset) // batch_size))  # a worker loads whole batches
        warnings.filterwarnings("ignore", "This DataLoader will create")  # --num_threads says how many are wanted
        shards = ShardOrder(dataset.piles(), len(dataset)) if in_shards(dataset.piles()) else None
        self.sampler = EpochSampler(len(dataset), seed, shuffle, batch_size, shards)
        self.batch_size, self.pin_memory = batch_size, pin_memory and torch.cuda.is_available()
        self.begun = False  # an epoch
        self._open_batches()

    def _open_batches(self) -> None:
        self.watch = Watch(self.num_threads) if self.num_threads and self.worker_timeout else None
        samples = _Seeded(self.dataset, self.watch)
        ahead = self.num_threads == 0 and self.dataset.cache is None  # what a cache holds is there at once
        self.batches = DataLoader(
            Ahead(samples, self.sampler) if ahead else samples, self.batch_size,
            sampler=None if ahead else self.sampler, num_workers=self.num_threads,
            collate_fn=_stack, persistent_workers=self.num_threads > 0, pin_memory=self.pin_memory,
            timeout=self.worker_timeout if self.watch else 0, generator=torch.Generator(), worker_init_fn=begin_worker)

    @property
    def fewest(self) -> int:
        """How many different images there are of the side with fewer."""
        sources = Paths.of(self.dataset.sources()).unique()
        others = Paths.of(self.dataset.files()).unique().without(sources)
        return min(len(sources), len(others) or len(sources))

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of that epoch, `skip` samples after its beginning. Of several processes all get equally many.

        Raises UserError for unreadable images, MachineError for workers that fail or hang.
        """
        self._fill_cache()
        self.sampler.choose(epoch, self.images, skip, shared=False)
        return self._batches(self.images - skip, skip > 0)

    def first(self, count: int) -> Iterator[Batch]:
        """The first `count` samples in batches, for testing: of several processes, each gets its share of them.

        Errors as in `epoch`.
        """
        self._fill_cache()
        self.sampler.choose(1, min(count, self.images), 0, shared=True)
        return self._batches(len(self.sampler), False)

    def _batches(self, left: int, good: bool) -> Iterator[Batch]:
        """left: how many samples will be counted; good: whether some could be read already."""
        asked, waiting = 0, 0 if self.sampler.shared else world_size() - 1
        try:
            for stacked, errors in self._start():
                batch = stacked.open() if isinstance(stacked, Parcel) else stacked
                self._skip(errors)
                drawn = min(left, self.batch_size * (1 + waiting))
                asked, left = asked + drawn, left - drawn
                if batch:
                    yield {**batch, "asked": asked}
                    asked, good = 0, True
                elif waiting:
                    raise UserError(f"a whole batch could not be read, and {waiting} more processes would wait for it: "
                                    f"{errors[-1]}; repair or remove the file, or give a larger --batch_size")
        except (OSError, RuntimeError) as error:
            if self.watch and timed_out(error):
                raise self.watch.end(self.dataset.sources(), self.worker_timeout) from None
            if self.num_threads and is_shortage(error):
                raise shortage(error) from None
            raise
        if asked and not good:
            raise UserError(f"none of {asked} samples could be read, the last because {self.skipped[-1]}")

    def _fill_cache(self) -> None:
        """From the second epoch on, or as soon as the cache is full, no worker is needed.

        To crop here takes less time than to take over what a worker crops.
        """
        cache = self.dataset.cache
        if cache and (self.begun or not cache.missing()):
            cache.fill(self.dataset.read_file)
            if self.num_threads:
                self.num_threads = 0
                self._open_batches()
        self.begun = True

    def _skip(self, errors: list[UserError]) -> None:
        for error in errors:
            if not (self.skip_bad and isinstance(error, BadImage)):
                raise type(error)(*error.args)  # not itself: its traceback would delay the workers' end
            self.skipped.append(str(error))

    def _start(self) -> Iterator[Stacked]:
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


class _Seeded(Dataset):
    """Samples by (index, seed); a UserError travels as a value, because a raised one would lose its text."""

    def __init__(self, dataset: BaseDataset, watch: Watch | None):
        self.dataset, self.watch = dataset, watch

    def __getitem__(self, key: Key) -> Sample | UserError:
        index, seed = key
        try:
            with self.watch.at(index) if self.watch else nullcontext():
                sample = self.dataset.complete(self.dataset.sample(index, random.Random(seed)))
        except UserError as error:
            return error
        kept = {side: self.dataset.kept.get(Path(sample.get(f"{side}_paths", ""))) for side in ("A", "B")}
        return {**sample, **{f"{side}_kept": torch.tensor(size[::-1]) for side, size in kept.items() if size}}


def _stack(samples: list[Sample | UserError]) -> Stacked:
    good = [sample for sample in samples if not isinstance(sample, UserError)]
    errors = [sample for sample in samples if isinstance(sample, UserError)]
    for name in ("A", "B"):
        sizes = {sample[name].shape[:0:-1]: sample["A_paths"] for sample in good if name in sample}
        if len(sizes) > 1:
            found = ", ".join(f"{width}x{height} ({path})" for (width, height), path in sizes.items())
            error = UserError(f"images of different sizes cannot form a batch, found {found}; "
                              "give --batch_size 1, or a --preprocess that crops")
            return None, [*errors, error]
    if not good:
        return None, errors
    return Parcel(good) if get_worker_info() else _as_batch(good), errors


def _as_batch(samples: list[Sample]) -> Batch:
    if len(samples) > 1:
        return default_collate(samples)
    return {name: value[None] if isinstance(value, torch.Tensor) else default_collate([value])
            for name, value in samples[0].items()}  # without a copy
