"""What indexes of shards know of the pictures in them, so that no picture is opened before the first step."""
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.integrity import Look
from data.paths import Paths
from raster.bad_image import require_pixels
from shards.index import Values, held, remember
from shards.member import split_member

NOWHERE = (-1, -1)
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
        self.shards: list[Path] = []

    def marks(self, names: Sequence[bytes]) -> np.ndarray:
        """int64 (files, 2): the shard of each, and its place in the shard. names: of paths, shard by shard."""
        found = np.empty((len(names), 2), np.int64)
        numbers: dict[bytes, int] = {}
        places: dict[bytes, dict[bytes, int]] = {}
        begin = b"\0"
        inside: dict[bytes, int] = {}
        number = -1
        for at, name in enumerate(names):
            if not name.startswith(begin):
                begin = self._shard_of(name)
                if begin not in numbers:
                    shard = Path(os.fsdecode(begin[:-1]))
                    numbers[begin] = len(self.shards)
                    self.shards.append(shard)
                    places[begin] = {one: place for place, one in enumerate(held(shard).names())}
                number, inside = numbers[begin], places[begin]
            found[at] = number, inside.get(name[len(begin):], -1)
        return found

    @staticmethod
    def _shard_of(name: bytes) -> bytes:
        inside = split_member(Path(os.fsdecode(name)))
        assert inside, "all files of a dataset lie in shards, or none"
        return os.fsencode(inside[0]) + SEP

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """int32: the places of the looks of these files in `looks`, -1 of those that are not known. wanted: marks."""
        found = np.full(len(wanted), -1, np.int32)
        for number, shard in enumerate(self.shards):
            index, own = held(shard), (wanted[:, 0] == number) & (wanted[:, 1] >= 0)
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
        """Remember these looks with the shards' indexes. which: int (files,), their places; -1: not to be remembered."""
        looks = list(self.looks)
        for number, shard in enumerate(self.shards):
            own = (marks[:, 0] == number) & (marks[:, 1] >= 0) & (which >= 0)
            index = held(shard)
            if not own.any() or (index.which[marks[own, 1]] >= 0).all():
                continue
            known = index.which.copy()
            values = list(index.values)
            numbers = {one: at for at, one in enumerate(values)}
            used = {at: as_values(looks[at]) for at in np.unique(which[own]).tolist()}
            own_numbers = np.zeros(len(looks), np.int32)
            for at, one in used.items():
                own_numbers[at] = numbers.setdefault(one, len(numbers))
            known[marks[own, 1]] = own_numbers[which[own]]
            remember(shard, index.with_values(list(numbers), known))
