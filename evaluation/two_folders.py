"""Measuring a folder of translations against a folder of real images, whoever made them."""
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.matching import Matched, Named, by_name, match_by_name
from evaluation.choice import Choice
from evaluation.results import open_results
from evaluation.samples import Direction, Sample, Source, in_unit
from pages.results_folder import read_results
from raster.picture import Header
from raster.reading import read_header, read_picture
from raster.value_range import ValueRange
from raster.view import read_image
from util.errors import UserError

ROLES = {"fake": "fake", "real": "real"}


@dataclass(frozen=True)
class Pile:
    """Translations and real images, matched by name. names: of the files of translations; ranges: of the files in
    values/ of results, and whether they may have pixels without data.
    """

    matched: Matched
    names: dict[Path, str]
    ranges: Mapping[Path, tuple[ValueRange, bool]]

    def __len__(self) -> int:
        return len(self.matched.pairs) + len(self.matched.alone_A) + len(self.matched.alone_B)

    def __iter__(self) -> Iterator[Sample]:
        """The pairs, then what has no partner, of which metrics of two sets make use."""
        for fake, real in self.matched.pairs:
            yield self.names[fake], {"fake": self.read(fake), "real": self.read(real)}
        for fake in self.matched.alone_A:
            yield self.names[fake], {"fake": self.read(fake)}
        for real in self.matched.alone_B:
            yield str(real), {"real": self.read(real)}

    def read(self, path: Path) -> np.ndarray:
        """A picture, see Sample. UserError when its values have no known range."""
        header = read_header(path)
        if path not in self.ranges and is_plain(header):
            return np.asarray(read_image(path, channels=3))
        picture = read_picture(path)
        values, void = self.ranges.get(path) or (_range_of(path, picture.values), True)
        return in_unit(picture, values, void)


def is_plain(header: Header) -> bool:
    """Whether a file is gray or RGB of 8 bits, with or without transparency."""
    return header.dtype == np.uint8 and (header.channels in (1, 3) or header.origin.alpha)


def _range_of(path: Path, values: np.ndarray) -> ValueRange:
    """The whole range of a type without sign, 0 to 1 of floats within. UserError for others."""
    if values.dtype.kind == "u":
        return ValueRange(0, np.iinfo(values.dtype).max, values.dtype.name)
    if values.dtype.kind == "f" and np.nanmin(values) >= 0 and np.nanmax(values) <= 1:
        return ValueRange(0, 1, values.dtype.name)
    raise UserError(f"{path} has values of type {values.dtype}, from {np.nanmin(values):g} to {np.nanmax(values):g}, "
                    "of which nobody knows what is black and white; measure the results folder of test.py, which says "
                    "it, or files of 8 or 16 bits without a sign, or of floats from 0 to 1")


def two_folders(real: Path, fake: Path, choice: Choice) -> Source:
    """The images in `fake` to be measured by those in `real`. Of results of a test those are the translations, and the
    real images of their target domain.

    Pairs are images of the same name, subfolders included and endings aside. UserError when a folder holds no images,
    or when a metric needs pairs and there is none.
    """
    real_images, fake_images = _images(real, "real"), _images(fake, "fake")
    needy = [name for name, kind in choice.kinds.items() if kind.paired and "real" in kind.needs]
    matched = (match_by_name(fake_images, real_images) if needy else
               Matched([], _all(fake_images), _all(real_images), ""))
    if needy and not matched.pairs:
        raise UserError(f"{matched.lonely}\nNo pair is left for {', '.join(needy)}. Give both files of a pair the same "
                        "name (endings may differ), or measure distances between sets: --metrics fid,kid")
    names = {path: name.as_posix() if len(paths) == 1 else path.relative_to(fake_images.folder).as_posix()
             for name, paths in fake_images.images.items() for path in paths}
    firsts = {"fake": next(iter(names)), "real": _all(real_images)[0]}
    bands = {role: channels for role, path in firsts.items()
             if not is_plain(header := read_header(path)) and (channels := header.channels) not in (1, 3)}
    direction = Direction("fake", "", ROLES, bool(needy), bands)
    said = [*real_images.notices, *fake_images.notices, *([f"note: {matched.lonely}"] if matched.lonely else [])]
    known = _known_ranges(real) | _known_ranges(fake)
    said += _whole_range_taken([path for path in firsts.values() if path not in known])
    pile = Pile(matched, names, known)
    return Source(str(fake), str(real), [direction], pile, said)


def _whole_range_taken(paths: list[Path]) -> list[str]:
    """A notice where whole numbers of more than 8 bits count by all that their type holds, used or not."""
    deep = {header.dtype: path for path in paths if (header := read_header(path)).dtype.kind == "u"
            and header.dtype != np.uint8}
    return [f"note: {path} has values of type {dtype}, and 0 to {np.iinfo(dtype).max} count as black to white: of "
            "pictures with fewer bits errors are too small by that. The results folder of test.py knows the range"
            for dtype, path in deep.items()]


def _all(images: Named) -> list[Path]:
    return [path for paths in images.images.values() for path in paths]


def _images(folder: Path, role: str) -> Named:
    """The images in a folder; where it holds results of a test, those of this role among them."""
    if (folder / "names.json").is_file():
        return _of_results(folder, role)
    found = by_name(folder)
    if not found.images:
        there = "holds no images" if folder.is_dir() else "is no folder"
        raise UserError(f"--{role} {folder} {there}; expected a folder of images, of any kind that test.py reads")
    return found


def _of_results(folder: Path, role: str) -> Named:
    stored = open_results(folder)
    labels = [direction.labels[role] for direction in stored.directions
              if role in direction.labels and (role == "fake" or direction.paired)]
    if not labels:
        raise UserError(f"--{role} {folder} holds results without pairs, in which no real image belongs to a name; "
                        "give a folder of real images")
    if len(labels) > 1:
        raise UserError(f"--{role} {folder} holds results of two directions, {' and '.join(labels)}; copy the pictures "
                        "that you mean into a folder, or translate with --model test, which has one direction")
    return Named(folder, {Path(name): [stored.file(name, labels[0])] for name in stored.names})


def _known_ranges(folder: Path) -> dict[Path, tuple[ValueRange, bool]]:
    """Of the files in values/ of results: the range, and whether they may have pixels without data."""
    if not (folder / "names.json").is_file():
        return {}
    return {folder / "values" / own.file: (ValueRange.parse(own.range, "output_range"), own.void)
            for row in read_results(folder).values.values() for own in row.values()}
