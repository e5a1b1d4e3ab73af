"""What indexes of shards know of the pictures in them, so that no picture is opened before the first step."""
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.integrity import Look
from data.paths import Paths
from raster.bad_image import require_pixels
from shards.index import Values, held, remember
from shards.member import split_member

SEP = os.fsencode(os.sep)


def are_in_shards(files: Paths) -> bool:
    """Whether these files lie in shards; those of a dataset all do, or none."""
    return len(files) > 0 and split_member(files[0]) is not None


def as_values(look: Look) -> Values:
    """A look in plain values."""
    return (*look.size, look.pages, look.channels, look.dtype.str, look.alpha, look.by_pillow, look.least, look.largest,
            look.void)


def from_values(values: Values) -> Look:
    """The look of which `as_values` made these."""
    width, height, pages, channels, dtype, alpha, by_pillow, least, largest, void = values
    return Look((width, height), pages, channels, np.dtype(dtype), alpha, by_pillow, least, largest, void)  # type: ignore


class KnownInShards:
    """The looks of files in shards, as `data.known_good.KnownGood` has those of other files."""

    def __init__(self, max_pixels: float):
        """max_pixels: of larger pictures nothing is known."""
        self.max_pixels = max_pixels
        self.looks: dict[Look, int] = {}  # by their places
        self.shards: dict[Path, int] = {}  # by their numbers

    def marks(self, names: Sequence[bytes]) -> np.ndarray:
        """int64 (files, 2): the number of each one's shard, and its place there. names: of paths, shard by shard."""
        found, end = np.empty((len(names), 2), np.int64), 0
        while end < len(names):
            begin, inside = end, split_member(Path(os.fsdecode(names[end])))
            assert inside, "all files of a dataset lie in shards, or none"
            shard, above = inside[0], os.fsencode(inside[0]) + SEP
            while end < len(names) and names[end].startswith(above):
                end += 1
            number = self.shards.setdefault(shard, len(self.shards))
            place_of = {name: place for place, name in enumerate(held(shard).names())}
            found[begin:end, 0] = number
            found[begin:end, 1] = [place_of.get(name[len(above):], -1) for name in names[begin:end]]
        return found

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """int32: the places of the looks of these files in `looks`, -1 of those that are not known. wanted: marks."""
        found = np.full(len(wanted), -1, np.int32)
        for shard, own in self._by_shard(wanted, np.ones(len(wanted), bool)):
            index = held(shard)
            places = np.array([self._place(values) for values in index.values] + [-1], np.int32)
            found[own] = places[index.which[wanted[own, 1]]]  # -1 is the last one
        return found

    def _place(self, values: Values) -> int:
        look = from_values(values)
        try:
            require_pixels(look.size, look.channels * look.dtype.itemsize, self.max_pixels)
        except ValueError:
            return -1
        return self.place(look)

    def place(self, look: Look) -> int:
        """The look's place in `looks`, a new one behind the others if it is not there."""
        return self.looks.setdefault(look, len(self.looks))

    def save(self, marks: np.ndarray, which: np.ndarray) -> None:
        """Remember these looks with the shards' indexes. which: int (files,), their places; -1: not to be remembered.
        """
        looks = list(self.looks)
        for shard, own in self._by_shard(marks, which >= 0):
            index, places = held(shard), marks[own, 1]
            if (index.which[places] >= 0).all():
                continue
            numbers = {values: number for number, values in enumerate(index.values)}
            number_of = np.zeros(len(looks), np.int32)
            for look in np.unique(which[own]).tolist():
                number_of[look] = numbers.setdefault(as_values(looks[look]), len(numbers))
            known = index.which.copy()
            known[places] = number_of[which[own]]
            remember(shard, index.with_values(list(numbers), known))

    def _by_shard(self, marks: np.ndarray, wanted: np.ndarray) -> Iterator[tuple[Path, np.ndarray]]:
        """Each shard that has such files, and which files these are: int."""
        own = np.flatnonzero(wanted & (marks[:, 1] >= 0))
        own = own[np.argsort(marks[own, 0], kind="stable")]
        ends = np.searchsorted(marks[own, 0], range(len(self.shards) + 1))
        for shard, number in self.shards.items():
            if ends[number] < ends[number + 1]:
                yield shard, own[ends[number]:ends[number + 1]]
