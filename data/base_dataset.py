"""The contract that every dataset keeps: a length, and a sample as a function of its index and a random source.

A dataset is one file data/xyz_dataset.py with a class XyzDataset; `--dataset_mode xyz` finds it.
data/template_dataset.py is a worked example.
"""
import random
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from data.cache import ImageCache
from data.folders import look_through
from data.pages import chosen_pages
from data.paths import Paths
from data.pixels import Pixels, size_of, to_tensor
from data.scaled import ImageFile, ImageFiles, read_by_pillow, read_scaled
from data.shard_images import images_in_shards
from data.transforms import Plan, Preprocess
from options.groups import DataOptions
from options.schema import Group, Options
from raster.picture import Size
from raster.value_range import BYTES, ValueRange
from shards import copies
from shards.names import all_shards, find_shards
from util.errors import UserError

Sample = dict[str, Any]
"""'A' (C, H, W) in [-1, 1], the source of the translation; 'B' the target; 'A_paths', 'B_paths' their files. Where some
file of the dataset has pixels without data, which are -1, also 'A_void', 'B_void', bool (1, H, W): which. The loader
adds 'A_kept', 'B_kept' where images were padded to keep their size: (height, width), which results are cropped to."""
Batch = dict[str, Any]
"""Samples stacked: 'A' (B, C, H, W), 'A_paths' a list of B names, and so on."""


class BaseDataset(ABC):
    """Options that only this dataset has: the group ExtraOptions; defaults it changes: `changed_defaults`.

    `expected`: the folder tree, shown when it is not there. The dataset applies --direction: A is always the source.
    """

    ExtraOptions: type[Group] = Group
    changed_defaults: ClassVar[Mapping[str, Any]] = {}
    gives: tuple[str, ...] = ("A", "B")  # what a sample holds
    paired: bool = True  # whether B is the truth of A: what its translation should be
    channels: tuple[int, ...] = ()  # what --input_nc and --output_nc may be; (): any number
    cache: ImageCache | None = None  # what --cache keeps of the files; the loader sets it
    kept: Mapping[Path, Size] = {}  # the images' own sizes by file, where results are cropped back to them; likewise
    # What data/value_ranges.py finds out of the files:
    ranges: Mapping[Path, ValueRange] = {}  # which values of each are black and white, and their type
    ranges_used: Mapping[str, str] = {}  # the same by the flag that says so; {} if all are 0 to 255 of 8 bits
    arrays: Collection[Path] = ()  # those that are not read by Pillow as 8 bits, gray or RGB
    voids: Collection[Path] = ()  # those that have pixels without data

    def __init__(self, options: Options, preprocess: Preprocess):
        self.opt = opt = options.view(DataOptions)
        self.notices: list[str] = []  # what the user should know of the files; the commands print it
        self.preprocess = preprocess
        self.root = Path(opt.dataroot)
        copies.keep(opt.shard_cache, opt.shard_cache_gb)
        self.swap = opt.direction == "BtoA"
        for flag, value in (("input_nc", opt.input_nc), ("output_nc", opt.output_nc)):
            if self.channels and value not in self.channels:
                raise UserError(f"--{flag} {value} is not possible with --dataset_mode {opt.dataset_mode}; "
                                f"expected {' or '.join(map(str, self.channels))}")

    @classmethod
    def option_groups(cls, phase: str) -> list[type[Group]]:
        """The option groups of this dataset, the same for 'train' and 'test'."""
        return [cls.ExtraOptions]

    @classmethod
    def defaults(cls, phase: str) -> Mapping[str, Any]:
        """The defaults of shared options that this dataset changes."""
        return cls.changed_defaults

    @abstractmethod
    def __len__(self) -> int:
        """How many samples an epoch has."""

    @abstractmethod
    def sample(self, index: int, rng: random.Random) -> Sample:
        """Sample `index`. All that is random in it comes from `rng`, so that the same seed gives the same sample.

        Pixels without data are NaN: `complete` turns them into what a batch has. Its tensors are new ones. May be
        called in several threads at once.
        """

    def complete(self, sample: Sample) -> Sample:
        """What `sample` gave, as batches are made of it: see Sample."""
        for side in ("A", "B") if self.voids else ():
            if side in sample:
                void = sample[side].isnan().any(0, keepdim=True)
                sample = {**sample, side: sample[side].masked_fill(void, -1), f"{side}_void": void}
        return sample

    @abstractmethod
    def sources(self) -> Sequence[Path]:
        """The files of A, in order; results are named after them."""

    def files(self) -> Iterable[Path]:
        """All image files that samples are read from."""
        return self.sources()

    def piles(self) -> Sequence[Paths]:
        """The images that decide in which order shards are read: of each pile, every one once before one comes again.

        As it stands the sources, if sample i is made of the i-th. See data/shard_order.py for several.
        """
        sources = Paths.of(self.sources())
        return [sources] if len(sources) == len(self) else []

    def image_files(self) -> Iterable[ImageFile]:
        """All image files with the channels that samples read of them: what --cache keeps. Others are read each time.

        As it stands: one image in each file, with the channels of both sides of the translation if these are equal, and
        RGB if one is gray and the other RGB.
        """
        sides = self.opt.input_nc, self.opt.output_nc
        if sides[0] != sides[1] and not read_by_pillow(sides):
            return []
        return ImageFiles.alike(Paths.of(self.files()), (max(sides),))

    def planned_size(self, path: Path, size: Size) -> Size:
        """What the plan will see of a file whose image has `size`: (width, height) in pixels.

        Asked once for all files of that size. path: one of them, for errors.
        """
        return size

    def doubts(self, found: Mapping[Path, Size]) -> list[str]:
        """Notices about files that look as if they were meant for another dataset. found: planned sizes by file.

        UserError when files do not fit each other.
        """
        return []

    def leave_out(self, bad: set[Path]) -> None:
        """Drop every sample that one of these files belongs to. UserError when the dataset cannot."""
        raise UserError(f"--dataset_mode {self.opt.dataset_mode} cannot leave out images (its class has no method "
                        "leave_out): repair or remove them")

    def images_in(self, folder: Path, limit: float = float("inf"), or_in_shards: bool = True) -> Paths:
        """The images in `folder` and below it, as `list_images` finds them; tells of files that are passed over.

        Where there are none, those in shards that stand for the folder, in the order in which they lie there. Of files
        with several pages, those that --page chooses, each as a path of its own.
        """
        most = limit if self.opt.page == "1" else float("inf")
        images, notices = look_through(folder, most)
        if not images and or_in_shards:
            images, notices = images_in_shards(self.shards_for(folder), most)
        self.notices += notices
        return self.pages_of(images)[:None if limit == float("inf") else int(limit)]

    def shards_for(self, folder: Path) -> list[Path]:
        """The shards that stand for a folder of --dataroot: train-000000.tar, ... for train/, all for itself."""
        if self.root not in (folder, *folder.parents):
            return []
        name = "".join(folder.relative_to(self.root).parts)
        if not name:
            return all_shards(self.opt.dataroot)
        return find_shards(self.opt.dataroot, self.opt.phase, name.removeprefix(self.opt.phase))

    def pages_of(self, images: Sequence[Path]) -> Paths:
        """The pages of these files that --page chooses; tells how many."""
        pages, notices = chosen_pages(images, self.opt.page)
        self.notices += notices
        return Paths.of(pages)

    def range_of(self, path: Path) -> ValueRange:
        """Which values of the file are black and white, and their type."""
        return self.ranges.get(path, BYTES)

    def kept_as(self, path: Path) -> torch.dtype:
        """The type of the file's pixels from reading to cropping."""
        kept = {"uint8": torch.uint8, "uint16": torch.uint16}
        return torch.float32 if path in self.voids else kept.get(self.range_of(path).dtype, torch.float32)

    def read(self, path: Path, *channels: int) -> Sequence[Pixels]:
        """The images in a file, scaled and not yet cropped, from the cache if there is one.

        channels: of the image in it (1 gray, 3 RGB, or as the file has), or of the two that lie side by side. Raises
        BadImage.
        """
        file = ImageFile(path, channels)
        return self.cache.read(file, self.read_file) if self.cache else self.read_file(file)

    def read_file(self, file: ImageFile) -> Sequence[Pixels]:
        """The images in a file, scaled and not yet cropped, from the file itself. Raises BadImage."""
        as_array = file.path in self.arrays or not read_by_pillow(file.channels)
        return read_scaled(file, self.preprocess, self.opt.fast_decode, self.range_of(file.path) if as_array else None,
                           self.opt.max_pixels)

    def load(self, path: Path, channels: int, rng: random.Random) -> Tensor:
        """One image, preprocessed: (channels, H, W) in [-1, 1], NaN where it has no data."""
        (image,) = self.read(path, channels)
        return to_tensor(self.plan_for(path, size_of(image), rng).apply(image), self.range_of(path))

    def plan_for(self, path: Path, size: Size, rng: random.Random) -> Plan:
        """The plan for an image of `size`; errors name the file."""
        try:
            return self.preprocess.plan(size, rng)
        except UserError as error:
            raise UserError(f"{path}: {error}; use --pad reflect, --preprocess resize_and_crop or a smaller "
                            "--crop_size") from None

    def load_pair(self, path: Path, image_A: Pixels, image_B: Pixels, rng: random.Random, path_B: Path | None = None
                  ) -> tuple[Tensor, Tensor]:
        """Both sides of a pair, as `read` gives them, under one plan: the same crop, the same flip.

        path: the file of A, and of B unless that has its own, path_B.
        """
        plan = self.plan_for(path, size_of(image_A), rng)
        return (to_tensor(plan.apply(image_A), self.range_of(path)),
                to_tensor(plan.apply(image_B), self.range_of(path_B or path)))
