"""What a file is called in a shard, so that all who read the WebDataset format see its samples as they are meant."""
from __future__ import annotations

from itertools import chain, count
from pathlib import PurePath

from util.names import split_ending


class MemberNames:
    """Names for the files of a set of shards, each given once.

    The key of a sample, its name up to the first dot, tells it from all others: other dots become _, and a key that is
    taken gets the file's ending, or a number, behind it.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def sample(self, *files: PurePath) -> list[str]:
        """Names of the files of one sample, relative to their folders: of one file 'a/1.png', of the two of a pair
        'a/1.a.png' and 'a/1.b.jpg', after the first of them.
        """
        endings = [split_ending(file.name)[1] for file in files]
        key = self._key(files[0], endings[0])
        parts = [""] if len(files) == 1 else [f".{chr(ord('a') + place)}" for place in range(len(files))]
        return [f"{key}{part}{ending}" for part, ending in zip(parts, endings, strict=True)]

    def _key(self, file: PurePath, ending: str) -> str:
        stem = file.with_name(split_ending(file.name)[0].replace(".", "_")).as_posix()
        more = chain(["", ending.replace(".", "_")], (f"_{number}" for number in count(2)))
        key = next(key for key in (stem + end for end in more) if key not in self._taken)
        self._taken.add(key)
        return key
