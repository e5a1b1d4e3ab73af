"""What is to be translated file by file: found by one process, shared by all."""
from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from data.pages import chosen_pages
from door.files import VIDEOS, is_video, moves
from door.jobs import Job, Say, identities, require_another
from door.journal import Journal, Standing, name_of
from engine.noise import draws_noise
from options.groups import TestCommandOptions
from raster.names import split_page
from raster.value_range import ValueRange
from tiles.standing import weights_checksum

if TYPE_CHECKING:
    from door.translator import Translator

DECIDING = ("seed", "format", "precision", "model_suffix")  # beside what says how images come to the networks
SHARE = 32  # images that a process takes at a time: the more, the longer the last one works alone


class Piece(NamedTuple):
    """A file or a page, and what it becomes; plain, as processes exchange it.

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


class Work(NamedTuple):
    """pieces: still to be done; done: how many are; unreadable: how many were left out; sample: some of all pieces, to
    be shown; ranges: as low, high, type; inputs_there: files that may not be written."""

    pieces: list[Piece]
    done: int
    unreadable: int
    sample: list[Piece]
    ranges: list[tuple[float, float, str]]
    inputs_there: list[str]

    def as_text(self) -> str:
        """All of it, for another process."""
        return json.dumps(self)

    @classmethod
    def read(cls, text: str) -> Work:
        """What `as_text` gave."""
        pieces, done, unreadable, sample, ranges, inputs = json.loads(text)
        return cls([Piece(*row) for row in pieces], done, unreadable, [Piece(*row) for row in sample],
                   [(low, high, dtype) for low, high, dtype in ranges], inputs)

    @property
    def size(self) -> int:
        """All that can be read, done or not."""
        return self.done + len(self.pieces)

    def range_of(self, piece: Piece) -> ValueRange:
        """Which values of its source are -1 and 1."""
        return ValueRange(*self.ranges[piece.values])

    def shares(self, batch_size: int) -> list[range]:
        """Of the pieces, what a process takes at a time: whole files, which may be long, one by one and first."""
        whole = sum(piece.whole for piece in self.pieces)
        size = -(-SHARE // batch_size) * batch_size
        return [range(at, at + 1) for at in range(whole)] + [
            range(at, min(at + size, len(self.pieces))) for at in range(whole, len(self.pieces), size)]


def settings(translator: Translator) -> dict[str, Any]:
    """All that decides what a picture becomes, beside the picture: plain, by names to be shown."""
    opt, (net,) = translator.options, translator.engine.model.nets.values()
    deciding = {name for name, option in opt.declared.items() if option.structure or option.sampling} | {*DECIDING}
    if draws_noise([net]) or not translator.engine.model.samples_alone:
        deciding.add("batch_size")  # where pictures that are translated at once are not independent
    return {"weights": weights_checksum(net)[:16]} | {
        f"--{name}": value for name, value in opt.as_dict().items() if name in deciding}


def find_work(jobs: Sequence[Job], place: Path, translator: Translator, opt: TestCommandOptions, say: Say) -> Work:
    """All that the jobs need, none of it done yet; the files are looked at together.

    place: of the results. UserError for files that cannot be read, without --skip_bad_images, and where an input would
    be replaced.
    """
    inputs = identities(job.source for job in jobs)
    moving = {job for job in jobs if _moves(job, opt)}
    pages = {page: job for job in jobs if job not in moving for page in chosen_pages([job.source], opt.page)[0]}
    looked, notices = translator.look_at(list(pages)) if pages else ({}, [])
    say(notices)
    whole = _as_videos(job for job in jobs if job in moving)
    for job in whole:
        require_another(job.target, inputs)
    unreadable = len(pages) - len(looked)
    if len(jobs) == 1 < len(pages) and jobs[0].named:
        whole, looked = list(jobs), {}
    ranges = {values: number for number, values in enumerate(dict.fromkeys(looked.values()))}
    uses = Counter(job.target.with_suffix("") for job in jobs if job not in moving)
    pieces = [_piece(job.source, job, place, True, True, -1) for job in whole]
    for source, values in looked.items():
        job = pages[source]
        pieces.append(_piece(source, job, place, False, uses[job.target.with_suffix("")] == 1, ranges[values], values))
    return Work(pieces, 0, unreadable, [], [(own.low, own.high, own.dtype) for own in ranges],
                _inputs_there(pieces, inputs))


def left_to_do(work: Work, journal: Journal) -> Work:
    """The work without what the journal knows as done. For one process alone, which holds the journal."""
    entries = journal.begin()
    pieces = [piece for piece in work.pieces
              if not journal.is_done(entries.get(piece.name), Standing(piece.size, piece.date))]
    return work._replace(pieces=pieces, done=len(work.pieces) - len(pieces))


def with_sample(work: Work, count: int) -> Work:
    """The work with so many pictures to be shown, from all over it."""
    still = [piece for piece in work.pieces if not piece.whole]
    return work._replace(sample=[still[number * len(still) // count] for number in range(count)]
                         if count < len(still) else still)


def _piece(source: Path, job: Job, place: Path, whole: bool, alone: bool, number: int, values: ValueRange | None = None
           ) -> Piece:
    standing = Standing.of(split_page(source)[0]) or Standing(0, 0)
    target = job.target if job.named or source == job.source else job.target.with_name(source.name)
    name = name_of(os.path.abspath(source), os.path.relpath(target, place), whole, job.named, alone, values)
    return Piece(str(source), str(target), whole, job.named, alone, number, name, *standing)


def _moves(job: Job, opt: TestCommandOptions) -> bool:
    return moves(job.source, job.target, opt.page) and (
        job.named or is_video(job.source) or opt.format in ("auto", "as_input"))


def _as_videos(jobs: Iterable[Job]) -> list[Job]:
    """With endings that are written: those of videos that are only read become .mp4, or .avi.mp4 where that is taken.
    """
    jobs = list(jobs)
    uses = Counter(job.target.with_suffix("") for job in jobs)

    def written(target: Path) -> Path:
        if not is_video(target) or target.suffix.lower() in VIDEOS:
            return target
        return target.with_name(f"{target.stem if uses[target.with_suffix('')] == 1 else target.name}.mp4")
    return [job._replace(target=written(job.target)) for job in jobs]


def _inputs_there(pieces: Iterable[Piece], inputs: set[tuple[int, int]]) -> list[str]:
    """The inputs among the files that lie where results go, whatever they are called there."""
    folders = {Path(piece.target).parent for piece in pieces}
    return [str(path) for folder in sorted(folders) if folder.is_dir() for path in folder.iterdir()
            if identities([path]) & inputs]
