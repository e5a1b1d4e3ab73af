"""A folder of shards: filled from piles of images, gone on with, and verified."""
from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from tqdm import tqdm

from data.folders import is_image
from data.integrity import inspect_image
from data.packing import Packed, Pile, shards_of
from data.shard_looks import as_values
from door.journal import SETTINGS, Journal, Standing, name_of
from raster.bad_image import BadImage
from runs.progress import Progress
from shards.copies import local
from shards.index import BrokenShard, index_path, scan
from shards.member import member_path
from shards.names import all_shards, set_of, shards_in
from shards.sums import Sums
from shards.writing import File, sha256, write_shard
from util.errors import MachineError, UserError
from util.files import remove

JOURNAL = ".packed"
AHEAD = 16  # files that are read while others are written


@contextmanager
def filling(folder: Path) -> Iterator[Filled]:
    """The folder, held against other commands. UserError where one is at work in it, or others' shards are there."""
    journal = Journal(folder, {}, JOURNAL)
    with journal.held():
        yield Filled(folder, journal)


class Filled:
    """The shards of a folder, each packed if its files are not those of last time. packed: all names; made: how many
    were packed now."""

    def __init__(self, folder: Path, journal: Journal):
        """UserError where there are shards that nobody packed here."""
        others = [] if (journal.folder / SETTINGS).exists() else shards_in(folder)
        if others:
            raise UserError(f"{folder} holds shards that were not packed by this command, such as {others[0].name}; "
                            "give another --out, or remove them")
        self.folder, self.journal, self.sums = folder, journal, Sums(folder)
        self.entries = journal.begin()
        self.packed, self.made = list[str](), 0

    def pack(self, pile: Pile, most: float, mixed: bool) -> None:
        """Write the shards of a set, at most so many bytes each."""
        with self.journal.writing() as note, closing(Progress(len(pile.sides) * len(pile.sides[0]))) as bar:
            for number, files in enumerate(shards_of(pile, most, mixed)):
                shard = self.folder / f"{pile.name}-{number:06}.tar"
                name, source = name_of(shard.name, *files), Standing(len(files), sum(file.size for file in files))
                self.packed.append(shard.name)
                if self.journal.is_done(self.entries.get(name), source) and shard.name in self.sums.known:
                    bar.advance(len(files), pile.name)
                    continue
                self.sums.add(shard.name, write_shard(shard, read_files(files, pile, bar)))
                note(name, source, shard)
                self.made += 1

    def end(self) -> list[str]:
        """Remove the shards of last time whose files are gone; notices."""
        sets = {set_of(Path(name)) for name in self.packed}
        gone = sorted(path.name for path in self._packed_before() - {self.folder / name for name in self.packed}
                      if set_of(path) in sets)
        for name in gone:
            remove(index_path(self.folder / name))
            remove(self.folder / name)
        self.sums.keep([name for name in self.sums.known if (self.folder / name).exists()])
        return [f"note: {len(gone)} shards of last time are removed, whose files are elsewhere now or gone: "
                f"{', '.join(gone[:3])}{', ...' if len(gone) > 3 else ''}"] if gone else []


    def _packed_before(self) -> set[Path]:
        """Those of last time that are there."""
        return {self.folder / entry.target for entry in self.entries.values()} & set(shards_in(self.folder))


def read_files(files: Sequence[Packed], pile: Pile, bar: Progress) -> Iterator[File]:
    """The files with their content, some of them read ahead. MachineError for one that has changed meanwhile."""
    waiting = deque[Future[bytes]]()
    with ThreadPoolExecutor(AHEAD) as pool:
        for place, file in enumerate(files):
            while len(waiting) < AHEAD and place + len(waiting) < len(files):
                waiting.append(pool.submit(files[place + len(waiting)].path.read_bytes))
            content = waiting.popleft().result()
            if len(content) != file.size:
                raise MachineError(f"{file.path} had {file.size} bytes and has {len(content)} now; wait until nobody "
                                   "writes to the folder, and give the same line again")
            yield File(file.name, content, as_values(pile.looks[file.path]), file.date // 10**9)
            bar.advance(1, pile.name)


def find(shards: str) -> list[Path]:
    """The shards in a folder, or that a pattern names. UserError when there are none."""
    found = all_shards(shards)
    if not found:
        raise UserError(f"{shards} has no shards; expected a folder with .tar files in it, or a pattern such as "
                        "data/train-{000000..000009}.tar")
    return found


def faults(shards: Sequence[Path]) -> Iterator[str]:
    """What is wrong with shards, a line each: cut off, other content than was written, pictures that cannot be read."""
    sums = {folder: Sums(folder) for folder in {shard.parent for shard in shards}}
    for folder, own in sums.items():
        for name in own.known.keys() - {shard.name for shard in shards}:
            if not (folder / name).exists():
                yield f"{folder / name} is gone"
    for shard in tqdm(shards, "verifying", unit=" shards", leave=False, disable=None):
        yield from _faults(shard, sums[shard.parent].known.get(shard.name))


def _faults(shard: Path, digest: str | None) -> Iterator[str]:
    try:
        place, index = local(shard), scan(shard)
        if digest:
            with place.open("rb") as file:
                if sha256(file) != digest:
                    yield f"{shard} has other content than was written"
        for name in index.names():
            path = member_path(shard, os.fsdecode(name))
            if is_image(path):
                try:
                    inspect_image(path)
                except BadImage as error:
                    yield str(error)
    except BrokenShard as error:
        yield str(error)
