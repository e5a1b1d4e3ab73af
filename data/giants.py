"""Pictures larger than memory: found as a dataset finds them, and looked at without being read as a whole."""
from collections.abc import Mapping
from pathlib import Path

import data
from data.loader import open_dataset
from data.transforms import Preprocess
from data.value_ranges import ranges_of_side
from options.groups import DataOptions
from options.schema import Options
from raster.regions import RegionReader, open_region_reader
from raster.value_range import ValueRange
from util.errors import UserError

ONE_EACH = ("single", "unaligned")  # datasets of which a file is a picture of one side


def find_giants(options: Options, most: int) -> tuple[list[Path], Mapping[Path, ValueRange], list[str]]:
    """The first `most` files of the side that is translated, the range of values of each, and notices.

    Where the range depends on the values each file of more than 8 bits is read once, part by part. UserError where
    there are none, for a dataset of pairs in one file, and as `open_region_reader`.
    """
    opt = options.view(DataOptions)
    if opt.dataset_mode not in ONE_EACH:
        raise UserError(f"--tile translates files that are pictures of one side, and --dataset_mode {opt.dataset_mode} "
                        "reads others; give --model test with a folder of such files as --dataroot")
    dataset = open_dataset(data.find(opt.dataset_mode), options, Preprocess(options, augment=False))
    sources = dataset.sources()[:most]
    looks = {}
    for path in sources:
        with open_region_reader(path, opt.max_pixels) as reader:
            looks[path] = _look(reader)
    ranges, notices = ranges_of_side(looks, "input_range", opt.input_range, opt)
    return sources, ranges, dataset.notices + notices
