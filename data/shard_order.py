"""The order of an epoch of images in shards, in which only a few shards are read at a time."""
from __future__ import annotations

import os
import random
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from data.paths import Paths
from shards.ahead import Ahead
from shards.copies import require_room
from shards.member import split_member

WINDOW = 4  # shards whose images are shuffled together


class Pile:
    """Images, and which shard each lies in. Those in no shard are as in one."""

    def __init__(self, images: Paths):
        self.shards: list[Path | None] = []
        self.of = np.empty(len(images), np.int64)  # number of the shard by image
        numbers: dict[Path | None, int] = {}
        inside, number = b"\0", 0  # no name begins so
        for place, name in enumerate(images.names()):
            if not name.startswith(inside):
                shard = shard_of(images[place])
                if shard not in numbers:
                    self.shards.append(shard)
                number = numbers.setdefault(shard, len(numbers))
                inside = os.fsencode(shard) + os.fsencode(os.sep) if shard else b"\0"
            self.of[place] = number
        self._sorted = np.argsort(self.of, kind="stable")
        self._ends = np.cumsum(np.bincount(self.of, minlength=len(self.shards)))

    def shuffled(self, source: random.Random) -> np.ndarray:
        """int64 (images,): the shards shuffled, and then the images within each WINDOW of them."""
        order = list(range(len(self.shards)))
        source.shuffle(order)
        begins = [0, *self._ends.tolist()]
        windows = []
        for at in range(0, len(order), WINDOW):
            window = array("q")
            for shard in order[at:at + WINDOW]:
                window.extend(self._sorted[begins[shard]:begins[shard + 1]].tolist())
            source.shuffle(window)
            windows.append(np.array(window))
        return np.concatenate(windows)


class ShardOrder:
    """What an epoch asks a dataset for, where the images of a sample come from one or several piles.

    A pile that is shorter than an epoch is gone through again, in another order. Sample i + a * j is image i of the
    first of two piles, which has a images, beside image j of the second.
    """

    def __init__(self, piles: Sequence[Paths], length: int):
        """length: how many samples an epoch has. UserError when copies of remote shards have too little room."""
        self.piles, self.length = [Pile(images) for images in piles], length
        require_room([[shard for shard in pile.shards if shard] for pile in self.piles], 2 * WINDOW)
        self.ahead = Ahead()
        self._alive: list[Alive] = []

    def epoch(self, source: random.Random, shuffle: bool) -> array[int]:
        """The samples of an epoch. Without shuffle those from 0 on, whose images are i modulo the size of the pile."""
        chosen = [self._places(pile, source, shuffle) for pile in self.piles]
        self._alive = [Alive(pile, places) for pile, places in zip(self.piles, chosen, strict=True)]
        if not shuffle:
            return array("q", range(self.length))
        samples, radix = np.zeros(self.length, np.int64), 1
        for pile, places in zip(self.piles, chosen, strict=True):
            samples += radix * places
            radix *= len(pile.of)
        return array("q", samples.tobytes())

    def followed(self, places: Iterable[int]) -> Iterator[int]:
        """These places of the epoch, one by one; while they are taken, the shards that come next are fetched."""
        for place in places:
            changed = [alive.changes(place) for alive in self._alive]
            if any(changed):
                reading, coming = zip(*(alive.at(place) for alive in self._alive), strict=True)
                self.ahead.want([*chain(*reading), *chain(*coming)])
            yield place

    def _places(self, pile: Pile, source: random.Random, shuffle: bool) -> np.ndarray:
        """int64 (length,): which image of the pile each sample of the epoch has."""
        count = len(pile.of)
        if not shuffle:
            return np.arange(self.length) % count
        rounds = -(-self.length // count)
        return np.concatenate([pile.shuffled(source) for _ in range(rounds)])[:self.length]


class Alive:
    """Which shards of a pile an epoch needs at a place of it."""

    def __init__(self, pile: Pile, places: np.ndarray):
        """places: which image each sample has."""
        count = len(pile.of)
        visits = pile.of[places] + len(pile.shards) * (np.arange(len(places)) // count)  # in each round anew
        visited, first = np.unique(visits, return_index=True)
        last = len(places) - 1 - np.unique(visits[::-1], return_index=True)[1]
        by_first = np.argsort(first)
        self.shards = [pile.shards[visit % len(pile.shards)] for visit in visited[by_first].tolist()]
        self.first, self.last = first[by_first].tolist(), last[by_first]
        self._begun = -1

    def changes(self, place: int) -> bool:
        """Whether other shards have been begun than at the place asked about before."""
        begun = bisect_right(self.first, place)
        changed, self._begun = begun != self._begun, begun
        return changed

    def at(self, place: int) -> tuple[list[Path], list[Path]]:
        """The shards that are being read there, and the WINDOW that come next, in their order."""
        begun = bisect_right(self.first, place)
        reading = [self.shards[number] for number in range(begun) if self.last[number] >= place]
        return [shard for shard in reading if shard], [shard for shard in self.shards[begun:begun + WINDOW] if shard]


def shard_of(image: Path) -> Path | None:
    """The shard that an image lies in, if any."""
    found = split_member(image)
    return found and found[0]


def in_shards(piles: Sequence[Paths]) -> bool:
    """Whether images of these piles lie in shards."""
    return any(len(images) and shard_of(images[0]) is not None for images in piles)
