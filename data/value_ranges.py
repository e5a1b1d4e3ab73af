"""Which values of the files are black and white to a network, alike for all files of a type on a side.

A microscope's 12 bits in a file of 16 would be nearly black otherwise, and a scale of each file's own would hide which
image is the brighter one.
"""
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data.base_dataset import BaseDataset
from data.integrity import Look
from data.paths import Paths
from data.per_file import PerFile
from data.scaled import ImageFiles
from options.groups import DataOptions
from raster.picture import Picture
from raster.reading import read_picture
from raster.value_range import BYTES, ValueRange, between, suggested
from raster.view import known_values, own_range
from util.errors import UserError

SAMPLED = 1 << 24  # values of a side that percentiles are counted of
FEWEST = 1 << 10  # of a file
THREADS = 8  # each may decode an image

Looks = PerFile[Look]


class Percentiles(NamedTuple):
    """Of values, 0 to 100."""

    low: float
    high: float


def choose_ranges(dataset: BaseDataset, found: Mapping[Path, Look]) -> list[str]:
    """Tell the dataset the range of values of each file: of the source side, and of the others.

    That is what --input_range, --output_range or --value_range say, or else what the type of the values and the values
    themselves suggest. Returns notices. Raises UserError for a range that is none, and for files whose channels cannot
    become those that are wanted.
    """
    looks, opt = PerFile.of(found), dataset.opt
    _refuse_channels(dataset, looks)
    dataset.arrays = looks.where(_as_array).files
    dataset.voids = looks.where(lambda look: look.void).files
    of_sources = looks.among(dataset.sources())
    ranges: dict[tuple[bool, str], ValueRange] = {}  # by side and type
    used: dict[str, ValueRange] = {}
    notices: list[str] = []
    for flag, asked, is_source in (("input_range", opt.input_range, True), ("output_range", opt.output_range, False)):
        own = looks.only(of_sources == is_source)
        name, text = (flag, asked) if asked else ("value_range", opt.value_range)
        of_types = _ranges_of_a_side(own, name, text, opt.max_pixels)
        ranges |= {(is_source, dtype): value_range for dtype, value_range in of_types.items()}
        used |= {flag: of_types[_main_type(own)]} if own else {}
        notices += [line for value_range in of_types.values() for line in _said(own, value_range, flag)]
        if dataset.preprocess.augment:  # in a test the run has decided
            nc = "input_nc" if flag == "input_range" else "output_nc"
            notices += _gray(own, nc, getattr(opt, nc))
    if "B" in dataset.gives and "output_range" not in used:  # both sides in one file
        if opt.output_range not in ("", opt.input_range or opt.value_range):
            raise UserError(f"--output_range {opt.output_range}: both sides lie in the same files, whose values have "
                            f"one range, here {used['input_range']}; give --value_range for both")
        used["output_range"] = used["input_range"]
    dataset.ranges = looks.beside(of_sources).map(lambda look: ranges[look[1], look[0].dtype.name])
    dataset.ranges_used = {} if all(map(_is_plain, used.values())) else {flag: str(one) for flag, one in used.items()}
    return notices


def range_of_picture(picture: Picture, flag: str, text: str) -> ValueRange:
    """The range of a picture by itself, as `choose_ranges` would find it of its file. text: what `flag` says."""
    asked, dtype = _read(flag, text), picture.values.dtype.name
    if isinstance(asked, Percentiles):
        return _between(asked, _some_values(picture, SAMPLED), dtype)
    if asked and not _of_other_depth(asked.dtype, dtype):
        return replace(asked, dtype=dtype)
    return own_range(picture)


def _as_array(look: Look) -> bool:
    """Whether a file holds more than Pillow reads as 8 bits, gray or RGB, with or without opacity."""
    return look.void or not look.by_pillow or not _colours(look)


def _colours(look: Look) -> bool:
    """Whether a file holds gray or RGB, with or without opacity."""
    return look.channels - look.alpha in (1, 3)


def _is_plain(value_range: ValueRange) -> bool:
    return value_range == BYTES


def _main_type(looks: Looks) -> str:
    """The type of most files, of those that are not of 8 bits if there are any."""
    counts = Counter[str]()
    for look, count in looks.counts().items():
        counts[look.dtype.name] += count if look.dtype != np.uint8 else 0
    return (+counts).most_common(1)[0][0] if +counts else "uint8"


def _ranges_of_a_side(looks: Looks, flag: str, text: str, max_pixels: float) -> dict[str, ValueRange]:
    """The range of each type that these files have, by the type. text: what `flag` says."""
    asked, ranges = _read(flag, text), {}
    for dtype in dict.fromkeys(look.dtype.name for look in looks.firsts()):
        own = _of_type(looks, dtype)
        if isinstance(asked, Percentiles):
            ranges[dtype] = _between(asked, _values_of_all(own, max_pixels), dtype)
        elif asked and not _of_other_depth(asked.dtype, dtype):
            ranges[dtype] = replace(asked, dtype=dtype)
        else:
            ranges[dtype] = _suggested(own, dtype)
    return ranges


def _read(flag: str, text: str) -> ValueRange | Percentiles | None:
    """What a flag of ranges says; None for auto. UserError when it is nothing of the kind."""
    if text == "auto":
        return None
    if not text.startswith("percentile:"):
        return ValueRange.parse(text, flag)
    try:
        low, high = map(float, text.removeprefix("percentile:").split(","))
        if 0 <= low < high <= 100:
            return Percentiles(low, high)
    except ValueError:
        pass
    raise UserError(f"--{flag} {text} is no range; expected percentile:P,Q with 0 <= P < Q <= 100, such as "
                    f"--{flag} percentile:0.1,99.9")


def _of_other_depth(said: str, dtype: str) -> bool:
    """Whether a range is said to be that of 8-bit files where these are not, or the other way round."""
    return bool(said) and "uint8" in (said, dtype) and said != dtype


def _suggested(looks: Looks, dtype: str) -> ValueRange:
    """The range of files of a type: the usual one of that type which holds all values, or that of the values."""
    return suggested(np.dtype(dtype), *_bounds(looks))


def _bounds(looks: Looks) -> tuple[float | None, float | None]:
    """The least and the largest value of the files; None where there is none."""
    found = looks.counts()
    return (min((look.least for look in found if look.least is not None), default=None),
            max((look.largest for look in found if look.largest is not None), default=None))


def _of_type(looks: Looks, dtype: str) -> Looks:
    return looks.where(lambda look: look.dtype.name == dtype)


def _between(percentiles: Percentiles, values: np.ndarray, dtype: str) -> ValueRange:
    """The range between two percentiles of the values."""
    low, high = map(float, np.percentile(values, percentiles)) if values.size else (0.0, 1.0)
    return between(low, high, dtype)


def _values_of_all(paths: Collection[Path], max_pixels: float) -> np.ndarray:
    """Equally many values of each file, of all together at most SAMPLED; shows how far it is."""
    def sample(path: Path) -> np.ndarray:
        return _some_values(read_picture(path, max_pixels), max(FEWEST, SAMPLED // len(paths)))

    with ThreadPoolExecutor(THREADS) as pool:
        return np.concatenate(list(tqdm(pool.map(sample, paths), "reading values", len(paths), leave=False,
                                        unit=" images", delay=2, disable=None)))


def _some_values(picture: Picture, most: int) -> np.ndarray:
    """Of the values that are finite and hold data, at most so many, from all over the picture and all channels."""
    values = known_values(picture)
    if values.size <= most:
        return values
    return values[np.random.default_rng(0).integers(values.size, size=most)]


def _said(looks: Looks, value_range: ValueRange, flag: str) -> list[str]:
    """What is to be said of the files of this range's type: how it was chosen, and which do not lie in it."""
    if _is_plain(value_range):
        return []
    own = _of_type(looks, value_range.dtype)
    low, high = _bounds(own)
    lie = "" if low is None or high is None else f". They lie between {low:g} and {high:g}"
    notices = [f"note: {len(own)} of {len(looks)} images have values of type {value_range.dtype}, such as "
               f"{next(iter(own))}: {value_range.low:g} to {value_range.high:g} are black to white{lie} (--{flag} "
               f"{value_range})"]
    beyond = own.where(lambda look: look.least is not None and look.largest is not None
                       and (look.least < value_range.low or look.largest > value_range.high))
    if beyond:
        path, example = next(iter(beyond.items()))
        notices.append(f"note: {len(beyond)} of {len(looks)} images have values outside of {value_range.low:g} to "
                       f"{value_range.high:g}, which become its ends, such as {path} with {example.least:g} to "
                       f"{example.largest:g}")
    return notices


def _gray(looks: Looks, flag: str, channels: int) -> list[str]:
    """A note where all files of a side are gray, of more than 8 bits, and read as RGB. flag: that says the channels."""
    all_gray = looks and all(look.channels - look.alpha == 1 and look.dtype != np.uint8 for look in looks.counts())
    return [f"note: all {len(looks)} images are gray, and this side of the translation is RGB; --{flag} 1 makes it gray"
            ] if all_gray and channels == 3 else []


def _refuse_channels(dataset: BaseDataset, looks: Looks) -> None:
    """UserError for files whose channels are neither those that are wanted nor gray or RGB, which become each other."""
    files = ImageFiles.of(dataset.image_files())
    held, asked = looks.whose(files.paths), files.which
    kinds = len(files.channels)
    both = np.unique(held.astype(np.int64) * kinds + asked).tolist()  # as one number, which is sorted fast
    unlike = {(look, kind): nc for look, kind in (divmod(number, kinds) for number in both)
              for nc in reversed(files.channels[kind]) if _cannot_become(looks.distinct[look], nc)}
    if unlike:
        own = zip(held.tolist(), asked.tolist(), strict=True)
        places = [place for place, both_kinds in enumerate(own) if both_kinds in unlike]
        first, count = places[0], len({files.paths.name(place) for place in places})
        path, found = files.paths[first], looks.distinct[held[first]].channels
        wanted = unlike[held[first], asked[first]]
        flag = "input_nc" if path in Paths.of(dataset.sources()) else "output_nc"
        raise UserError(f"{count} of {len(looks)} images cannot become pictures of "
                        f"{wanted} channels, such as {path}, which has {found}; give --{flag} {found}, or convert them")


def _cannot_become(look: Look, channels: int) -> bool:
    return channels != look.channels and not (_colours(look) and channels in (1, 3))


def ranges_of_sources(found: Mapping[Path, Look], opt: DataOptions) -> tuple[Mapping[Path, ValueRange], list[str]]:
    """The range of each file of a source side that is read without a dataset, and notices. Raises as `choose_ranges`.
    """
    name, text = ("input_range", opt.input_range) if opt.input_range else ("value_range", opt.value_range)
    looks = PerFile.of(found)
    ranges = _ranges_of_a_side(looks, name, text, opt.max_pixels)
    return (looks.map(lambda look: ranges[look.dtype.name]),
            [line for value_range in ranges.values() for line in _said(looks, value_range, "input_range")])
