"""Files that are translated together are looked at together, as those of a dataset are."""
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.check import check_images
from data.single_dataset import SingleDataset
from data.transforms import Preprocess
from data.value_ranges import choose_ranges
from options.groups import DataOptions
from options.schema import Options
from raster.value_range import ValueRange


def look_at(files: Sequence[Path], options: Options, preprocess: Preprocess
            ) -> tuple[Mapping[Path, ValueRange], list[str]]:
    """Which values of each file are black and white, and notices.

    Raises UserError for files that cannot be read; with skip_bad_images these are left out.
    """
    dataset = SingleDataset.of(files, options, preprocess)
    looks, notices = check_images(dataset, options.view(DataOptions).skip_bad_images)
    notices += choose_ranges(dataset, looks)
    return dataset.ranges, notices
