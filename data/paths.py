"""The paths of many files in little memory."""
from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import overload

import numpy as np


class Paths(Sequence[Path]):
    """Paths one behind the other in one piece of memory, each a Path only while it is looked at.

    A million take 70 MB where Paths take 500, processes that are forked share them, and those that are spawned are sent
    them at once. `path in paths` and `find` cost the same however many there are.
    """

    def __init__(self, names: bytes, ends: np.ndarray):
        """names: as the file system has them, without anything between; ends: int64 (count + 1), the first one 0."""
        self._names, self._ends = names, ends
        self._at = memoryview(ends.data)  # which is asked for one of them faster
        self._index: tuple[np.ndarray, np.ndarray] | None = None  # hashes in order, and whose they are

    @classmethod
    def of(cls, paths: Iterable[Path | str]) -> Paths:
        """These paths; strings are taken to be what str(Path) gives. Paths stay themselves."""
        return paths if isinstance(paths, Paths) else cls.of_names([os.fsencode(path) for path in paths])

    @classmethod
    def of_names(cls, names: Sequence[bytes]) -> Paths:
        """The paths that `names` gave."""
        ends = np.zeros(len(names) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, names), np.int64, len(names)), out=ends[1:])
        return cls(b"".join(names), ends)

    def names(self) -> list[bytes]:
        """All paths as the file system has them."""
        return [self.name(place) for place in range(len(self))]

    def name(self, place: int) -> bytes:
        return self._names[self._at[place]:self._at[place + 1]]

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Path: ...
    @overload
    def __getitem__(self, place: slice) -> Paths: ...
    def __getitem__(self, place: int | slice) -> Path | Paths:
        if isinstance(place, slice):
            return self.only(np.arange(len(self))[place])
        place = range(len(self))[place]  # IndexError, and places from the end
        return Path(os.fsdecode(self.name(place)))

    def __iter__(self) -> Iterator[Path]:
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Paths):
            return self._names == other._names and np.array_equal(self._ends, other._ends)
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Path.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # as lists have none

    def __contains__(self, path: object) -> bool:
        return isinstance(path, Path) and self.place_of(path) >= 0

    def __reduce__(self) -> tuple:
        return Paths, (self._names, self._ends)  # hashes of another process are others

    def __add__(self, other: Paths) -> Paths:
        return Paths(self._names + other._names, np.concatenate([self._ends, other._ends[1:] + self._ends[-1]]))

    def zipped(self, other: Paths) -> Paths:
        """One of these, one of those in turn, of equally many."""
        return Paths.of_names(list(chain.from_iterable(zip(self.names(), other.names(), strict=True))))

    def only(self, places: np.ndarray) -> Paths:
        """Those at these places, or where bool (count,) is true."""
        if places.dtype == bool:
            places = np.flatnonzero(places)
        if len(places) == len(self) and (places == np.arange(len(self))).all():
            return self
        return Paths.of_names([self.name(place) for place in places.tolist()])

    def without(self, paths: Collection[Path]) -> Paths:
        """Those that are not among `paths`."""
        return self.only(Paths.of(paths).find(self) < 0)

    def unique(self) -> Paths:
        """Each once, where it comes first."""
        hashes = self._indexed()[0]
        return Paths.of_names(list(dict.fromkeys(self.names()))) if (hashes[1:] == hashes[:-1]).any() else self

    def place_of(self, path: Path) -> int:
        """Where the path is, -1 where it is not."""
        return self._place_of(os.fsencode(path))

    def find(self, others: Paths) -> np.ndarray:
        """int64 (len(others),): where each of the others is among these, -1 where it is not."""
        if self._names == others._names and np.array_equal(self._ends, others._ends):
            return np.arange(len(self))
        hashes, places = self._indexed()
        theirs = _hashes(others)
        if not len(self):
            return np.full(len(others), -1)
        at = np.minimum(np.searchsorted(hashes, theirs), len(self) - 1)
        near = np.where(hashes[at] == theirs, places[at], -1)  # hardly ever of another one, and then of the next
        return np.fromiter((place if place < 0 or self.name(place) == others.name(number)
                            else self._place_of(others.name(number)) for number, place in enumerate(near.tolist())),
                           np.int64, len(others))

    def _place_of(self, name: bytes) -> int:
        hashes, places = self._indexed()
        wanted = hash(name)
        for at in range(int(np.searchsorted(hashes, wanted)), len(self)):
            if hashes[at] != wanted:
                break
            if self.name(places[at]) == name:
                return int(places[at])
        return -1

    def _indexed(self) -> tuple[np.ndarray, np.ndarray]:
        if self._index is None:
            hashes = _hashes(self)
            places = np.argsort(hashes, kind="stable")
            self._index = hashes[places], places
        return self._index


def _hashes(paths: Paths) -> np.ndarray:
    return np.fromiter((hash(paths.name(place)) for place in range(len(paths))), np.int64, len(paths))
