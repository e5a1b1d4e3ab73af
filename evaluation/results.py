"""Measuring what test.py left in a results folder, without the networks."""
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import data
from evaluation.samples import Direction, Sample, Source, directions, in_unit
from pages.results_folder import OwnValues, read_results
from raster import reading
from raster.bad_image import BadImage
from raster.value_range import ValueRange
from raster.view import read_image
from util.errors import UserError


@dataclass(frozen=True)
class StoredResults:
    """The results in a folder, by its test_opt.json and names.json. result: the name of their run."""

    folder: Path
    result: str
    names: Sequence[str]
    directions: Sequence[Direction]
    values: Mapping[str, Mapping[str, OwnValues]]

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Sample]:
        """The samples in the order of the page. UserError when a picture cannot be read."""
        labels = sorted({label for direction in self.directions for label in direction.labels.values()})
        for name in self.names:
            yield name, {label: self.picture(name, label) for label in labels}

    def file(self, name: str, label: str) -> Path:
        """Where a picture lies: with values of its own, where it has such a file."""
        own = self.values.get(name, {}).get(label)
        return self.folder / "values" / own.file if own else self.folder / "images" / f"{name}_{label}.png"

    def picture(self, name: str, label: str) -> np.ndarray:
        """One of them, see Sample: from its file with values of its own, where it has one."""
        own, path = self.values.get(name, {}).get(label), self.file(name, label)
        if own is None:
            return read_picture(path)
        try:
            return in_unit(reading.read_picture(path), ValueRange.parse(own.range, "output_range"), own.void)
        except BadImage as error:
            raise UserError(f"{path} cannot be read ({error.reason}); run test.py again") from None
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def results(folder: Path) -> Source:
    """The results in a folder, to be measured. UserError as in `open_results`."""
    stored = open_results(folder)
    return Source(stored.result, str(folder), stored.directions, stored, folder=folder)


def open_results(folder: Path) -> StoredResults:
    """The results that a test left in `folder`. UserError when there are none, or their files are damaged."""
    path = folder / "test_opt.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        mode, name, way = (str(rows[key]["value"]) for key in ("dataset_mode", "name", "direction"))
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}); run test.py again") from None
    except OSError as error:
        raise UserError(f"{folder} holds no results ({path.name}: {error.strerror}); expected a folder that test.py "
                        "wrote, such as results/NAME/test_latest") from None
    shown = read_results(folder)
    try:
        paired = data.find(mode).paired
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from None
    channels = {label: own.channels for row in shown.values.values() for label, own in row.items()}
    found = directions(shown.labels, way, paired, channels)
    if not found or not shown.names:
        raise UserError(f"{folder}/images holds no fake_B; run test.py again")
    return StoredResults(folder, name, shown.names, found, shown.values)


def read_picture(path: Path) -> np.ndarray:
    """A picture of results, or the view of one, uint8 (H, W, 3). UserError when it cannot be read."""
    try:
        return np.asarray(read_image(path, channels=3))
    except BadImage as error:
        raise UserError(f"{path} cannot be read ({error.reason}); run test.py again") from None
