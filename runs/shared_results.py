"""Results that several processes make together: their names, agreed without a word, and their order."""
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from engine.distributed import gather
from pages.pictures import UniqueNames, result_names
from util.torchrun import rank, world_size

T = TypeVar("T")


class SharedNames:
    """The names of all results; hands out those of the samples that this process translates."""

    def __init__(self, sources: Sequence[Path], count: int):
        """sources: the files of A, in order; count: samples that all processes translate together."""
        names, unique = result_names(sources), UniqueNames()
        self.own: dict[str, list[str]] = defaultdict(list)
        self.place: dict[str, int] = {}
        for number in range(count):
            path = str(sources[number % len(sources)])
            name = unique(names[path])
            self.place[name] = number
            if number % world_size() == rank():
                self.own[path].append(name)

    def __call__(self, path: str) -> str:
        """The name of the next result of this file."""
        return self.own[path].pop(0)

    def in_order(self, rows: Sequence[tuple[str, T]]) -> list[tuple[str, T]]:
        """The (name, plain data) of all processes in the order of the samples, in process 0; nothing in the others."""
        return sorted((row for own in gather(list(rows)) for row in own), key=lambda row: self.place[row[0]])
