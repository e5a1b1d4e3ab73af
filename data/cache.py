"""Images that were read, scaled and kept: later epochs only crop, flip and convert them."""
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ctypes import Array
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from data.cache_file import MappedFile, digest, make_file
from data.pixels import Pixels, as_stored, size_of
from data.room import amount, free_on, free_shared_memory, require_room
from data.scaled import ImageFile
from options.groups import DataOptions, RunOptions
from options.schema import Options
from raster.picture import Size
from raster.value_range import ValueRange
from util.errors import UserError
from util.torchrun import local_world_size

Reader = Callable[[ImageFile], Sequence[Pixels]]
THREADS = 8  # each may decode an image


class Slot(NamedTuple):
    """Where the images of a file lie, one behind the other: (C, H, W), C the sum of their channels, of type `kind`.

    begin: its first byte, a multiple of what a value of that type takes.
    """

    number: int
    begin: int
    shape: tuple[int, int, int]
    kind: torch.dtype = torch.uint8

    @property
    def end(self) -> int:
        return self.begin + self.size * self.kind.itemsize

    @property
    def size(self) -> int:
        """How many values it holds."""
        channels, height, width = self.shape
        return channels * height * width


Layout = dict[ImageFile, Slot]
Flags = bytearray | MappedFile | Array
"""A byte for each slot, not 0 if it is filled; of a shared cache, the slots behind them."""


def lay_out(files: Iterable[ImageFile], sizes: Mapping[Path, Size],
            kept_as: Callable[[Path], torch.dtype] = lambda _: torch.uint8) -> Layout:
    """A slot for each file. Before the first one there is a byte for each, which says whether it is filled.

    sizes: of each file's images after scaling; kept_as: the type of their pixels.
    """
    files = list(dict.fromkeys(files))
    layout, begin = {}, len(files)
    for number, file in enumerate(files):
        (width, height), kind = sizes[file.path], kept_as(file.path)
        begin += -begin % kind.itemsize
        layout[file] = slot = Slot(number, begin, (sum(file.channels), height, width), kind)
        begin = slot.end
    return layout


def _same_size(images: Sequence[Pixels], slot: Slot) -> bool:
    return all(size_of(image) == slot.shape[:0:-1] for image in images)


def size_in_bytes(layout: Layout) -> int:
    """The bytes of all slots, and those before them."""
    return max(slot.end for slot in layout.values())


class ImageCache(ABC):
    """Whoever needs a file first reads it and fills its slot.

    Needs no lock: a slot counts as filled after its bytes are written, and all who fill it write the same bytes.
    """

    where: str  # for the notice

    def __init__(self, layout: Layout, filled: Flags):
        self.layout, self.filled = layout, filled

    def read(self, file: ImageFile, reader: Reader) -> Sequence[Pixels]:
        """What `reader` makes of the file, from its slot if that is filled. Errors are those of `reader`.

        A file that has no slot, or whose size or type has changed since it was checked, is read each time.
        """
        slot = self.layout.get(file)
        if slot is None:
            return reader(file)
        if not self.filled[slot.number]:
            images = reader(file)
            whole = torch.cat([as_stored(image) for image in images]) if _same_size(images, slot) else None
            if whole is None or whole.dtype != slot.kind:
                return images
            self.pixels(slot).copy_(whole)
            self.complete(slot)
        return self.pixels(slot).split(file.channels)

    def missing(self) -> list[ImageFile]:
        """The files whose slot is not filled."""
        return [file for file, slot in self.layout.items() if not self.filled[slot.number]]

    def fill(self, reader: Reader) -> None:
        """Read the missing files. Those that cannot be read stay missing; who needs them hears of it."""
        def fill_one(file: ImageFile) -> None:
            with suppress(UserError):
                self.read(file, reader)

        files = self.missing()
        with ThreadPoolExecutor(THREADS) as pool:
            done = pool.map(fill_one, files)
            list(tqdm(done, "reading", len(files), leave=False, unit=" images", delay=2, disable=None))

    @abstractmethod
    def pixels(self, slot: Slot) -> Tensor:
        """The slot as (C, H, W) of its type, for reading and writing."""

    def complete(self, slot: Slot) -> None:
        """The bytes of the slot are written."""
        self.filled[slot.number] = 1

    def describe(self) -> str:
        """For the log: 'cache: 400 images, 98.2 MB in memory'."""
        images = sum(len(file.channels) for file in self.layout)
        return f"cache: {images} images, {amount(size_in_bytes(self.layout))} {self.where}"


class SharedCache(ImageCache):
    """In memory that all worker processes share: the bytes that say what is filled, then the slots."""

    def pixels(self, slot: Slot) -> Tensor:
        values = torch.frombuffer(self.filled, dtype=slot.kind, offset=slot.begin, count=slot.size)
        return values.view(slot.shape)


class RamCache(SharedCache):
    """In this run's memory. MachineError when there is too little."""

    where = "in memory"

    def __init__(self, layout: Layout):
        size = size_in_bytes(layout)
        require_room("--cache ram", size, free_shared_memory() // local_world_size(), "of memory",
                     "--cache disk or --cache none")
        super().__init__(layout, RawArray("B", size))


class DiskCache(SharedCache):
    """In a file of `folder`, which later runs on the same images find filled. MachineError when it has no room."""

    def __init__(self, layout: Layout, folder: Path, fast_decode: bool, ranges: Mapping[Path, ValueRange]):
        path, size = folder / digest(layout, fast_decode, ranges), size_in_bytes(layout)
        make_file(path, size)
        self.file = MappedFile(path, size)
        super().__init__(layout, self.file)
        self.where = f"in {path} ({sum(self.filled[:len(layout)])} of {len(layout)} files were there)"

    def complete(self, slot: Slot) -> None:
        self.file.save(slot.begin, slot.end)
        super().complete(slot)


class DeviceCache(ImageCache):
    """On the device that computes: crops and flips are made there. MachineError when it has too little memory."""

    def __init__(self, layout: Layout, device: torch.device):
        size = size_in_bytes(layout)
        require_room("--cache device", size, free_on(device), f"on {device}",
                     "--cache ram, --cache disk or --cache none")
        super().__init__(layout, bytearray(len(layout)))
        self.memory = torch.empty(size, dtype=torch.uint8, device=device)
        self.where = f"on {device}"

    def pixels(self, slot: Slot) -> Tensor:
        return self.memory[slot.begin:slot.end].view(slot.kind).view(slot.shape)


def open_cache(options: Options, layout: Layout, reader: Reader, device: torch.device,
               ranges: Mapping[Path, ValueRange]) -> ImageCache | None:
    """The cache that --cache asks for, None for none. MachineError when there is no room for it.

    reader: reads the images of a file; device: where --cache device keeps them; ranges: of each file.
    """
    opt = options.view(DataOptions)
    if opt.cache == "none" or not layout:
        return None
    cache: ImageCache
    if opt.cache == "ram":
        cache = RamCache(layout)
    elif opt.cache == "disk":
        folder = Path(options.view(RunOptions).checkpoints_dir, "image_cache")
        cache = DiskCache(layout, folder, opt.fast_decode, ranges)
    else:
        cache = DeviceCache(layout, device)
    if opt.cache == "device":
        cache.fill(reader)
    return cache
