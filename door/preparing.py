"""From a picture to what a generator takes, and back: the way that test.py goes, for one picture by itself."""
from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from data.pages import chosen_pages
from data.pixels import as_pixels, reflected, resize, size_of, to_tensor
from data.transforms import Preprocess
from data.value_ranges import range_of_picture
from door.endings import ending_of
from models.network_options import image_sizes
from options.groups import TestCommandOptions
from options.schema import Options
from raster.bad_image import BadImage
from raster.picture import Header, Origin, Picture
from raster.pillow_files import plain_values
from raster.reading import read_picture, with_channels
from raster.results import native, range_of_results
from raster.value_range import ValueRange
from util.errors import UserError


@dataclass(frozen=True)
class Prepared:
    """A picture as a generator takes it. units: (1, C, H, W) in [-1, 1]; values: which of its own those are; source:
    what is known of it; void: its pixels without data, bool (H, W), if there are any; kept: height and width of what is
    no padding.
    """

    units: Tensor
    values: ValueRange
    source: Header
    void: np.ndarray | None
    kept: tuple[int, int]


@dataclass
class Preparing:
    """Brings pictures to size and to [-1, 1] as the options say, and translations back to values.

    ranges: of files that were looked at together; others, and what is no file, have their own.
    """

    options: Options
    ranges: Mapping[Path, ValueRange] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opt = opt = self.options.view(TestCommandOptions)
        self.channels = 3 if opt.model == "colorization" else opt.input_nc  # which takes the lightness of colours
        sizes = image_sizes(self.options, training=False)
        self.preprocess = Preprocess(self.options, *sizes, augment=False, keep_size=opt.keep_size)
        self.keeping = Preprocess(self.options, *sizes, augment=False, keep_size=True)

    def read(self, path: Path) -> Picture:
        """The picture in a file, or in the page of it that --page names. UserError when it cannot be read."""
        if path in self.ranges:  # it was looked at: it is a page already
            return read_picture(path, self.opt.max_pixels)
        pages, _ = chosen_pages([path], self.opt.page)
        if len(pages) > 1:
            raise UserError(f"{path} has {len(pages)} pages, and --page all is for files; give the page's number")
        return read_picture(pages[0], self.opt.max_pixels)

    def decode(self, content: bytes) -> Picture:
        """The picture in the bytes of a file. UserError when they are none."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"bytes{ending_of(content)}")
            path.write_bytes(content)
            try:
                return self.read(path)
            except BadImage as error:
                raise BadImage(Path("<bytes>"), error.reason) from None

    def of_image(self, image: Image.Image) -> Picture:
        """A Pillow image, upright."""
        values = plain_values(image)
        return Picture(values, Origin(image.format or "PNG", alpha=values.shape[2] in (2, 4)))

    def __call__(self, picture: Picture, name: Path) -> Prepared:
        """The picture as the generator takes it. UserError, with its name, when it is too small or has other channels.
        """
        size = picture.values.shape[1], picture.values.shape[0]
        source = Header(size, picture.values.shape[2], picture.values.dtype, 1, picture.origin, picture.no_data)
        flag = "input_range" if self.opt.input_range else "value_range"
        values = self.ranges.get(name) or range_of_picture(picture, flag, getattr(self.opt, flag))
        void = picture.void()
        pixels = resize(as_pixels(with_channels(picture, self.channels, name), void, values),
                        self.preprocess.scaled(size))
        try:
            plan = self.preprocess.plan(size_of(pixels), random.Random(0))
        except UserError as error:
            raise UserError(f"{name}: {error}; use --preprocess resize_and_crop or a smaller --crop_size") from None
        unit = to_tensor(plan.apply(pixels), values)
        empty = unit.isnan().any(0)
        width, height = size if self.opt.keep_size else size_of(unit)
        return Prepared(unit.masked_fill(empty, -1)[None], values, source, empty.numpy() if empty.any() else None,
                        (height, width))

    def back(self, made: Tensor, prepared: Prepared) -> Picture:
        """A translation, (1, C, H, W) in [-1, 1], as values of its domain; of the size of its source where that is
        kept.
        """
        height, width = prepared.kept
        values = range_of_results(self.opt.output_range or self.opt.value_range, prepared.values, "output_range")
        void = None if prepared.void is None else prepared.void[:height, :width]
        return native(made[0, :, :height, :width].cpu().numpy(), values, prepared.source, void)

    def padded(self, units: Tensor) -> Tensor:
        """(B, C, H, W), continued by reflection to the right and downwards to a size that the generator takes."""
        height, width = units.shape[2:]
        fitted = self.keeping.fitted((width, height))
        if fitted == (width, height):
            return units
        flat = reflected(units.flatten(0, 1), (0, 0), fitted)
        assert isinstance(flat, Tensor)
        return flat.unflatten(0, units.shape[:2])
