"""What is to be translated file by file: found by one process, shared by all."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from data.pages import chosen_pages
from data.paths import Paths
from data.per_file import PerFile
from door.animation import ANIMATED
from door.files import VIDEOS, are_videos, is_video
from door.jobs import Jobs, Say, above
from door.journal import Journal, Standing, name_of
from door.looking import Looked
from engine.noise import draws_noise
from options.groups import TestCommandOptions
from raster.names import split_page
from raster.value_range import ValueRange
from shards.index import BrokenShard
from shards.member import status
from tiles.standing import weights_checksum
from util.errors import UserError

if TYPE_CHECKING:
    from door.translator import Translator

DECIDING = ("seed", "format", "precision", "model_suffix")  # beside what says how images come to the networks
SHARE = 32  # images that a process takes at a time: the more, the longer the last one works alone
NO_STANDING = Standing(0, 0)


class Piece(NamedTuple):
    """A file or a page, and what it becomes.

    whole: from file to file, with all its frames or pages; named: whether the target's ending was given, else it is
    that which suits the picture; alone: whether no other file differs from it in its ending only; values: which of
    `Work.ranges` is its own, -1 for none; name, size, date: for the journal.
    """

    source: str
    target: str
    whole: bool
    named: bool
    alone: bool
    values: int
    name: str
    size: int
    date: int


class Share(NamedTuple):
    """What a process takes at a time: pieces by their places, and the shard that they become, if that is so."""

    pieces: range
    shard: Path | None = None


WHOLE, NAMED, ALONE = 1, 2, 4


@dataclass
class Work:
    """All pieces, whole files first, in little memory. done: how many are; unreadable: how many were left out.

    place: of the results; flags, values, standings: of each piece, uint8 of WHOLE, NAMED, ALONE, int32 and int64
    (pieces, 2); shards, which: as of Jobs; ranges: as low, high, type; inputs_there: files that may not be written.
    """

    place: Path
    sources: Paths
    targets: Paths
    flags: np.ndarray
    values: np.ndarray
    standings: np.ndarray
    shards: Paths
    which: np.ndarray
    ranges: list[tuple[float, float, str]]
    inputs_there: list[str]
    done: int = 0
    unreadable: int = 0

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def size(self) -> int:
        """All that can be read, done or not."""
        return self.done + len(self)

    def piece(self, number: int) -> Piece:
        """One of the pieces."""
        source, target = self.sources.name(number), self.targets.name(number)
        flags, (size, date), values = int(self.flags[number]), self.standings[number].tolist(), int(self.values[number])
        whole, named, alone = (bool(flags & flag) for flag in (WHOLE, NAMED, ALONE))
        below = os.fsdecode(target[len(above(self.place)):])
        name = name_of(os.path.abspath(os.fsdecode(source)), below, whole, named, alone,
                       ValueRange(*self.ranges[values]) if values >= 0 else None)
        return Piece(os.fsdecode(source), os.fsdecode(target), whole, named, alone, values, name, size, date)

    def range_of(self, piece: Piece) -> ValueRange:
        """Which values of its source are -1 and 1."""
        return ValueRange(*self.ranges[piece.values])

    def only(self, places: np.ndarray) -> Work:
        """Of the pieces those at these places; the others are done."""
        return replace(self, sources=self.sources.only(places), targets=self.targets.only(places),
                       flags=self.flags[places], values=self.values[places], standings=self.standings[places],
                       which=self.which[places] if len(self.shards) else self.which,
                       done=self.done + len(self) - len(places))

    def shares(self, batch_size: int) -> list[Share]:
        """Of the pieces, what a process takes at a time: whole shards; else whole files, which may be long, one by one
        and first.
        """
        if len(self.shards):
            ends = np.flatnonzero(np.diff(self.which, append=-1)) + 1
            return [Share(range(begin, end), self.shards[int(self.which[begin])])
                    for begin, end in pairwise([0, *ends.tolist()])]
        whole = int(np.count_nonzero(self.flags & WHOLE))
        size = -(-SHARE // batch_size) * batch_size
        return [Share(range(at, at + 1)) for at in range(whole)] + [
            Share(range(at, min(at + size, len(self)))) for at in range(whole, len(self), size)]

    def name_of_shard(self, share: Share) -> str:
        """For the journal: of all that is in it."""
        assert share.shard, "pieces that become no shard have names of their own"
        own = [self.piece(number) for number in share.pieces]
        return name_of(os.path.relpath(share.shard, self.place), *((one.name, one.size, one.date) for one in own))

    def sample(self, count: int) -> list[Piece]:
        """So many pictures to be shown, from all over the work."""
        still = np.flatnonzero(self.flags & WHOLE == 0)
        count = min(count, len(still))
        return [self.piece(int(still[number * len(still) // count])) for number in range(count)]

    def packed(self) -> dict[str, Any]:
        """All of it as tensors and plain data, for another process."""
        kinds: dict[type, Callable[[Any], Any]] = {
            Paths: lambda paths: b"\0".join([*paths.names(), b"", b""]), np.ndarray: torch.from_numpy,
            type(self.place): str}
        return {name: kinds.get(type(value), lambda same: same)(value) for name, value in vars(self).items()}

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> Work:
        """What `packed` gave."""
        kinds: dict[type, Callable[[Any], Any]] = {
            bytes: lambda names: Paths.of_names(names.split(b"\0")[:-2]), torch.Tensor: torch.Tensor.numpy,
            str: Path}
        return cls(**{name: kinds.get(type(value), lambda same: same)(value) for name, value in packed.items()})


def settings(translator: Translator) -> dict[str, Any]:
    """All that decides what a picture becomes, beside the picture: plain, by names to be shown."""
    opt, (net,) = translator.options, translator.engine.model.nets.values()
    deciding = {name for name, option in opt.declared.items() if option.structure or option.sampling} | {*DECIDING}
    if draws_noise([net]) or not translator.engine.model.samples_alone:
        deciding.add("batch_size")  # where pictures that are translated at once are not independent
    return {"weights": weights_checksum(net)[:16]} | {
        f"--{name}": value for name, value in opt.as_dict().items() if name in deciding}


def find_work(jobs: Jobs, place: Path, translator: Translator, opt: TestCommandOptions, say: Say) -> Work:
    """All that the jobs need, none of it done yet; the files are looked at together.

    place: of the results. UserError for files that cannot be read, without --skip_bad_images, and where an input would
    be replaced.
    """
    there = jobs.inputs_there()
    videos = are_videos(jobs.sources) | (jobs.named and is_video(jobs[0].target))
    files, owners = _pages(jobs, np.flatnonzero(~videos), opt.page)
    looked = (translator.look_at(files, _whose_frames_count(jobs, opt)) if len(files) else
              Looked(PerFile.of({}), files, []))
    say(looked.notices)
    good, bad = looked.ranges.files, len(files) - len(looked.ranges) - len(looked.moving)
    whole = np.sort(np.concatenate([np.flatnonzero(videos), owners[files.find(looked.moving)]]))
    if len(jobs) == 1 < len(files) and jobs.named:
        whole, good = np.zeros(1, np.int64), Paths.of([])
    if len(whole) and len(jobs.shards):
        raise UserError(f"{jobs.sources[int(whole[0])]} moves, and shards hold pictures; leave --output_shards out, or "
                        "give --format png, which takes the first frame")
    of_good = owners[files.find(good)]
    targets = _as_videos(jobs.targets.only(whole))
    for target in set(map(str, targets)) & set(there) if there else ():
        raise UserError(f"{target} is an input itself, which is never replaced; give another file")
    sources = jobs.sources.only(whole) + good
    flags = np.full(len(sources), NAMED * jobs.named, np.uint8)
    flags[:len(whole)] |= WHOLE | NAMED | ALONE
    flags[len(whole):][_alone(jobs.targets, whole)[of_good]] |= ALONE
    values = np.concatenate([np.full(len(whole), -1, np.int32), looked.ranges.which[:len(good)].astype(np.int32)])
    owning = np.concatenate([whole, of_good])
    return Work(place, sources, targets + _targets(jobs, of_good, good, opt.page), flags, values, _standings(sources),
                jobs.shards, jobs.which[owning] if len(jobs.shards) else jobs.which,
                [(own.low, own.high, own.dtype) for own in looked.ranges.distinct], there, unreadable=bad)


def left_to_do(work: Work, journal: Journal) -> Work:
    """The work without what the journal knows as done. For one process alone, which holds the journal."""
    entries = journal.begin()
    if not entries:
        return work
    if len(work.shards):
        done = np.zeros(len(work), bool)
        for share in work.shares(1):
            done[share.pieces] = journal.is_done(entries.get(work.name_of_shard(share)), NO_STANDING)
    else:
        done = np.fromiter((journal.is_done(entries.get(piece.name), Standing(piece.size, piece.date))
                            for piece in map(work.piece, range(len(work)))), bool, len(work))
    return work.only(np.flatnonzero(~done))


def _pages(jobs: Jobs, still: np.ndarray, page: str) -> tuple[Paths, np.ndarray]:
    """The pages that are chosen of the jobs at these places, and of which job each is."""
    if page == "1":
        return jobs.sources.only(still), still
    pages = [chosen_pages([jobs.sources[job]], page)[0] for job in still.tolist()]
    return Paths.of(path for own in pages for path in own), np.repeat(still, [len(own) for own in pages])


def _targets(jobs: Jobs, owners: np.ndarray, files: Paths, page: str) -> Paths:
    """What becomes of these files, or pages, of which `owners` are the jobs."""
    targets = jobs.targets.only(owners)
    if page == "1" or jobs.named:
        return targets
    return Paths.of(target if file == jobs.sources[job] else target.with_name(file.name)
                    for job, file, target in zip(owners.tolist(), files, targets, strict=True))


def _whose_frames_count(jobs: Jobs, opt: TestCommandOptions) -> Callable[[Path], bool]:
    """Tells whether a file with several frames becomes one with as many."""
    if opt.page != "1" or not (jobs.named or opt.format in ("auto", "as_input")):
        return lambda path: False
    named = {jobs.targets[0].suffix.lower()} if jobs.named else ANIMATED.keys()
    return lambda path: path.suffix.lower() in ANIMATED and bool(named & ANIMATED.keys())


def _alone(targets: Paths, whole: np.ndarray) -> np.ndarray:
    """bool (targets,): whether none of the others, but for those at `whole`, differs in its ending only."""
    stems = [os.path.splitext(name)[0] for name in targets.names()]
    uses = Counter(stems)
    uses.subtract(stems[place] for place in whole.tolist())
    return np.fromiter((uses[stem] == 1 for stem in stems), bool, len(stems))


def _standings(sources: Paths) -> np.ndarray:
    """int64 (sources, 2): how each stands; 0, 0 where that cannot be asked."""
    return np.array([_standing(name) for name in sources.names()], np.int64).reshape(-1, 2)


def _standing(name: bytes) -> tuple[int, int]:
    try:
        found = os.stat(name)
    except OSError:
        with suppress(OSError, BrokenShard):
            return status(split_page(Path(os.fsdecode(name)))[0])
        return NO_STANDING
    return found.st_size, found.st_mtime_ns


def _as_videos(targets: Paths) -> Paths:
    """With endings that are written: those of videos that are only read become .mp4, or .avi.mp4 where that is taken.
    """
    uses = Counter(target.with_suffix("") for target in targets)

    def written(target: Path) -> Path:
        if not is_video(target) or target.suffix.lower() in VIDEOS:
            return target
        return target.with_name(f"{target.stem if uses[target.with_suffix('')] == 1 else target.name}.mp4")
    return Paths.of(map(written, targets))
