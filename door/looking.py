"""Files that are translated together are looked at together, as those of a dataset are."""
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from data.check import check_images
from data.paths import Paths
from data.per_file import PerFile
from data.single_dataset import SingleDataset
from data.transforms import Preprocess
from data.value_ranges import choose_ranges
from options.groups import DataOptions
from options.schema import Options
from raster.value_range import ValueRange


class Looked(NamedTuple):
    """ranges: which values of each picture are black and white; moving: files that are no single pictures; notices."""

    ranges: PerFile[ValueRange]
    moving: Paths
    notices: list[str]


def look_at(files: Sequence[Path], options: Options, preprocess: Preprocess,
            moves: Callable[[Path], bool] = lambda path: False) -> Looked:
    """Look at files that become pictures together.

    moves: of a file with several frames, whether all of them are meant. Raises UserError for files that cannot be read;
    with skip_bad_images these are left out.
    """
    dataset, skip = SingleDataset.of(files, options, preprocess), options.view(DataOptions).skip_bad_images
    looks, notices = check_images(dataset, skip)
    moving = Paths.of(path for path in looks.where(lambda look: look.pages > 1).files if moves(path))
    if len(moving):
        dataset = SingleDataset.of(Paths.of(files).without(list(moving)), options, preprocess)
        if not len(dataset):
            return Looked(PerFile.of({}), moving, [])
        looks, notices = check_images(dataset, skip)
    notices += choose_ranges(dataset, looks)
    return Looked(PerFile.of(dataset.ranges), moving, notices)
