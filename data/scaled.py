"""From an image file to what samples are cropped from: upright images with the wanted channels, scaled."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from PIL import Image
from torch import Tensor

from data.paths import Paths
from data.per_file import distinct
from data.pixels import Pixels, as_pixels, resize
from data.transforms import Preprocess
from raster.bad_image import MAX_PIXELS
from raster.picture import Size
from raster.pillow_files import MODES, open_image, turned_upright, upright_size
from raster.reading import read_picture, with_channels
from raster.value_range import ValueRange
from util.errors import UserError

DRAFTED = ("JPEG", "MPO")  # formats that can be decoded at a part of their size


class ImageFile(NamedTuple):
    """A file and what is in it: one image, or two that lie side by side (A|B)."""

    path: Path
    channels: tuple[int, ...]  # of each image, from the left: 1 gray, 3 RGB, or as many as the file has


class ImageFiles(Sequence[ImageFile]):
    """Many of them in little memory. channels: all different; which: int (files,), places in `channels`."""

    def __init__(self, paths: Paths, channels: Sequence[tuple[int, ...]], which: np.ndarray):
        self.paths, self.channels, self.which = paths, channels, which

    @classmethod
    def of(cls, files: Iterable[ImageFile]) -> ImageFiles:
        """The same in little memory."""
        if isinstance(files, ImageFiles):
            return files
        listed = list(files)
        return cls(Paths.of(file.path for file in listed), *distinct(file.channels for file in listed))

    @classmethod
    def alike(cls, paths: Paths, *channels: tuple[int, ...]) -> ImageFiles:
        """Files that have these channels in turn."""
        return cls(paths, channels, np.arange(len(paths)) % len(channels))

    def __add__(self, other: ImageFiles) -> ImageFiles:
        return ImageFiles(self.paths + other.paths, [*self.channels, *other.channels],
                          np.concatenate([self.which, other.which + len(self.channels)]))

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, place: int) -> ImageFile: ...
    @overload
    def __getitem__(self, place: slice) -> ImageFiles: ...
    def __getitem__(self, place: int | slice) -> ImageFile | ImageFiles:
        if isinstance(place, slice):
            return ImageFiles(self.paths[place], self.channels, self.which[place])
        return ImageFile(self.paths[place], self.channels[self.which[place]])


def read_scaled(file: ImageFile, preprocess: Preprocess, fast: bool, value_range: ValueRange | None = None,
                max_pixels: float = MAX_PIXELS) -> list[Pixels]:
    """The images in a file, each of the size that `preprocess` scales it to.

    fast: decode a JPEG at 1/2, 1/4 or 1/8 of its size where that is still at least as large; pixels differ a little.
    value_range: that of a file which is read as it is, as an array; None: it becomes 8 bits, gray or RGB, by Pillow.
    max_pixels: as for `read_picture`.
    Raises BadImage when the file cannot be read, UserError when it is too narrow for two images or its channels cannot
    become those that are wanted.
    """
    if value_range is not None:
        return [*_read_array(file, preprocess, value_range, max_pixels)]
    path, channels = file
    sides = len(channels)
    with open_image(path, max_pixels) as stored:
        size = upright_size(stored) if fast and stored.format in DRAFTED else None
        if size:
            width, height = preprocess.scaled(side_size(path, size, sides))
            needed = width * sides, height
            stored.draft(None, needed if stored.size == size else needed[::-1])  # a file may lie on its side
        whole = turned_upright(stored, channels[0] if sides == 1 else 3)
        scaled = preprocess.scaled(side_size(path, size or whole.size, sides))
        if sides > 1:
            return [resize(image, scaled) for image in split_pair(path, whole, channels)]
        image = resize(whole, scaled)
        return [image.copy() if image is stored else image]  # the file is about to be closed


def read_by_pillow(channels: tuple[int, ...]) -> bool:
    """Whether Pillow makes images of these channels of 8-bit files."""
    return all(nc in MODES for nc in channels)


def side_size(path: Path, size: Size, sides: int) -> Size:
    """The size of each image in a file of `size`. UserError when it is too narrow."""
    if size[0] < sides:
        raise UserError(f"{path} is {size[0]}x{size[1]} pixels; expected a pair A|B side by side, twice as wide as one "
                        "image")
    return size[0] // sides, size[1]


def split_pair(path: Path, whole: Image.Image, channels: tuple[int, ...]) -> list[Image.Image]:
    """The left and the right half; an odd width leaves out the middle."""
    (width, height), half = whole.size, side_size(path, whole.size, 2)[0]
    halves = whole.crop((0, 0, half, height)), whole.crop((width - half, 0, width, height))
    return [image if nc == 3 else image.convert("L") for image, nc in zip(halves, channels, strict=True)]


def _read_array(file: ImageFile, preprocess: Preprocess, value_range: ValueRange, max_pixels: float) -> list[Tensor]:
    path, channels = file
    whole = read_picture(path, max_pixels)
    height, width = whole.values.shape[:2]
    size, void = side_size(path, (width, height), len(channels)), whole.void()  # before channels are mixed
    images = []
    for number, nc in enumerate(channels):
        left = number * (width - size[0])  # an odd width leaves out the middle
        columns = slice(left, left + size[0])
        side = replace(whole, values=whole.values[:, columns])
        void_here = None if void is None else void[:, columns]  # of both sides or none: they are kept as one type
        images.append(resize(as_pixels(with_channels(side, nc, path), void_here, value_range),
                             preprocess.scaled(size)))
    return images
