"""A value for each of many files, where most of them share theirs with others."""
from __future__ import annotations

from collections.abc import Callable, Hashable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from data.paths import Paths

V = TypeVar("V", bound=Hashable)
W = TypeVar("W", bound=Hashable)


class PerFile(Mapping[Path, V], Generic[V]):
    """Each different value once, and for each file which one it has: questions are asked of values, not of files.

    files: each once; values: all different; which: int (files,), places in `values`.
    """

    def __init__(self, files: Paths, values: list[V], which: np.ndarray):
        self.files, self.distinct, self.which = files, values, which

    @classmethod
    def of(cls, found: Mapping[Path, V]) -> PerFile[V]:
        """The same as a PerFile."""
        if isinstance(found, PerFile):
            return found
        values, which = distinct(found.values())
        return cls(Paths.of(found), values, which)

    def __getitem__(self, path: Path) -> V:
        place = self.files.place_of(path)
        if place < 0:
            raise KeyError(path)
        return self.distinct[self.which[place]]

    def __iter__(self) -> Iterator[Path]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def items(self) -> ItemsView[Path, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)

    def firsts(self) -> dict[V, Path]:
        """The values that occur, in the order in which they do, each with its first file."""
        which, places = np.unique(self.which, return_index=True)
        order = np.argsort(places)
        return {self.distinct[which[at]]: self.files[int(places[at])] for at in order}

    def counts(self) -> dict[V, int]:
        """How many files have each of the values that occur."""
        which, counts = np.unique(self.which, return_counts=True)
        return {self.distinct[at]: count for at, count in zip(which, counts.tolist(), strict=True)}

    def used(self) -> PerFile[V]:
        """The same, without values that no file has."""
        which, places = np.unique(self.which, return_inverse=True)
        return PerFile(self.files, [self.distinct[at] for at in which], places)

    def map(self, change: Callable[[V], W]) -> PerFile[W]:
        """What `change` makes of the values."""
        values, which = distinct(map(change, self.distinct))
        return PerFile(self.files, values, which[self.which])

    def beside(self, others: np.ndarray) -> PerFile[tuple[V, bool]]:
        """Each value with that of `others`, bool (files,)."""
        both, which = np.unique(self.which * 2 + others, return_inverse=True)
        return PerFile(self.files, [(self.distinct[at // 2], bool(at % 2)) for at in both], which)

    def where(self, test: Callable[[V], bool]) -> PerFile[V]:
        """The files whose values pass the test."""
        passes = np.fromiter(map(test, self.distinct), bool, len(self.distinct))
        return self.only(passes[self.which])

    def only(self, places: np.ndarray) -> PerFile[V]:
        """The files at these places, or where bool (files,) is true."""
        return PerFile(self.files.only(places), self.distinct, self.which[places])

    def among(self, files: Iterable[Path]) -> np.ndarray:
        """bool (files,): which of the files are among those."""
        places = self.files.find(Paths.of(files))
        flags = np.zeros(len(self), bool)
        flags[places[places >= 0]] = True
        return flags

    def whose(self, files: Iterable[Path]) -> np.ndarray:
        """int: the places of the values of these files in `distinct`. All must be there."""
        places = self.files.find(Paths.of(files))
        assert (places >= 0).all(), "a file without a value"
        return self.which[places]


class _Items(ItemsView):
    _mapping: PerFile

    def __iter__(self) -> Iterator[tuple]:
        return zip(self._mapping, _Values(self._mapping), strict=True)


class _Values(ValuesView):
    _mapping: PerFile

    def __iter__(self) -> Iterator:
        return (self._mapping.distinct[at] for at in self._mapping.which)


def distinct(values: Iterable[V]) -> tuple[list[V], np.ndarray]:
    """The different ones among values, and which of them each is."""
    places: dict[V, int] = {}
    which = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(which, np.int32)
