"""Pictures larger than memory: found as a dataset finds them, and looked at without being read as a whole."""
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

import data
from data.integrity import Look
from data.loader import open_dataset
from data.transforms import Preprocess
from data.value_ranges import ranges_of_sources
from options.groups import DataOptions
from options.schema import Options
from raster.region_reading import RegionReader, open_region_reader
from raster.value_range import ValueRange
from util.errors import UserError

ONE_EACH = ("single", "unaligned")  # datasets of which a file is a picture of one side


def find_giants(options: Options) -> tuple[Sequence[Path], list[str]]:
    """The files of the side that is translated, and notices. UserError where there are none, or where a file holds
    both sides.
    """
    opt = options.view(DataOptions)
    if opt.dataset_mode not in ONE_EACH:
        raise UserError(f"--tile translates files that are pictures of one side, and --dataset_mode {opt.dataset_mode} "
                        "reads others; give --model test, and such files as --dataroot")
    dataset = open_dataset(data.find(opt.dataset_mode), options, Preprocess(options, augment=False), "--phase")
    return dataset.sources(), dataset.notices


def ranges_of_giants(files: Iterable[Path], opt: DataOptions) -> tuple[Mapping[Path, ValueRange], list[str]]:
    """The range of values of each file of the side that is translated, and notices.

    Files of more than 8 bits are read once for that, part by part. Raises UserError as `open_region_reader`.
    """
    looks = {}
    for path in files:
        with open_region_reader(path, opt.max_pixels) as reader:
            looks[path] = _look(reader)
    return ranges_of_sources(looks, opt)


def _look(reader: RegionReader) -> Look:
    least, largest = (None, None) if reader.dtype == np.uint8 else reader.bounds() or (None, None)
    return Look(reader.size, 1, reader.channels, reader.dtype, reader.origin.alpha, False, least, largest)
