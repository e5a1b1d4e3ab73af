"""test.py --output: pictures to pictures, without a results page."""
from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from door.endings import ending_of
from door.files import is_video
from door.jobs import Say, above
from door.journal import Journal, Notes, Standing
from door.shard_jobs import plan_of_many
from door.work import NO_STANDING, Piece, Share, Work, find_work, left_to_do, settings
from engine.distributed import from_rank_0, gather, shared_count, total
from options.groups import OutputOptions, TestCommandOptions
from options.schema import Options
from raster.bad_image import BadImage
from raster.picture import Picture
from raster.writing import ENDINGS, as_file, ending_for, write_picture
from runs.progress import Progress, Told
from shards import copies
from shards.names import is_pattern
from shards.writing import File, write_shard
from util.errors import MachineError, UserError
from util.names import split_ending
from util.torchrun import rank, world_size

if TYPE_CHECKING:
    from door.translator import Translator

STREAM = "-"
MOST_SAID = 20  # of the files that could not be read


class Made(NamedTuple):
    """What this process wrote: how many files, and the last; how many could not be read, with the first reasons; notes
    of what could not be kept."""

    files: int
    last: Path | None
    unreadable: int
    reasons: list[str]
    notices: list[str]


def translate_to_output(options: Options, translator: Translator, say: Say, standard_output: IO[bytes]) -> None:
    """Translate --dataroot (a file, a folder, a glob, shards, or - for standard input) into --output. say: shows the
    user lines.

    A folder keeps a journal: what is in it is not done again. Several processes share the work, each taking the next
    few files when it is ready, so that a slow one does less; when one dies, the same line does what is missing.
    UserError when something is not there, cannot be read or written, or would replace an input, or when --output holds
    results of other weights or options.
    """
    opt, output = options.view(TestCommandOptions), options.view(OutputOptions).output
    _refuse_what_needs_a_page(options)
    copies.keep(opt.shard_cache, opt.shard_cache_gb)  # in each process, as only the first one opens a dataset
    with (_from_standard_input(opt.dataroot) as dataroot, _to_standard_output(output, standard_output) as place,
          ExitStack() as held):
        journal = None if _one_to_one(dataroot, output, options) else Journal(Path(place), settings(translator))
        if not journal and options.given("page_samples"):
            raise UserError("--page_samples shows pictures of a folder, and this is one file; leave it out")
        sample: list[Piece] = []

        def find() -> Work:
            work, shown = _find(dataroot, place, options, translator, journal, held, say)
            sample.extend(shown)
            return work
        work = find() if world_size() == 1 else Work.unpacked(from_rank_0(lambda: find().packed()))
        if journal and rank() > 0:
            held.enter_context(journal.held())
        begin = time.monotonic()
        with journal.writing() if journal else nullcontext() as note:
            made = _translate(work, translator, opt, note, say)
        count, unreadable = (int(number) for number in total(made.files, made.unreadable))
        seconds = time.monotonic() - begin
        say([line for own in gather(made.notices) for line in own])
        say(_told(unreadable, [line for own in gather(made.reasons) for line in own]))
        if journal:
            say([f"made: {count} in {seconds:.1f} s ({count / max(seconds, 1e-9):.1f} images/s), done before: "
                 f"{work.done}, unreadable: {unreadable + work.unreadable}"])
        if journal and sample and rank() == 0:
            from door.output_page import write_sample
            say([f"page: {write_sample(sample, work, journal, options)}"])
    if output != STREAM:
        say([f"output: {made.last if made.last and count + work.done == 1 else output}"])


def _one_to_one(dataroot: Path, output: str, options: Options) -> bool:
    """Whether a file becomes a file."""
    shards = is_pattern(str(dataroot)) or options.view(OutputOptions).output_shards
    if output == STREAM and shards:
        raise UserError("--output - writes one file; shards become files or shards in a folder, so give a folder")
    return output == STREAM or (dataroot.is_file() and not shards)


def _find(dataroot: Path, place: str, options: Options, translator: Translator, journal: Journal | None,
          held: ExitStack, say: Say) -> tuple[Work, list[Piece]]:
    """What is left to do, and pieces to be shown. held: keeps other commands out of the folder of the results."""
    opt, own = options.view(TestCommandOptions), options.view(OutputOptions)
    jobs = plan_of_many(dataroot, place, opt.direction, own.output_shards, say)
    if journal:
        journal.require_same(opt.overwrite)
    work = find_work(jobs[:opt.num_test] if options.given("num_test") else jobs, Path(place), translator, opt, say)
    if not journal:
        return work, []
    held.enter_context(journal.held())
    return left_to_do(work, journal), work.sample(own.page_samples)


def _translate(work: Work, translator: Translator, opt: TestCommandOptions, note: Notes | None, say: Say) -> Made:
    """What is this process's part of the work, as it turns out."""
    shares, take = work.shares(opt.batch_size), shared_count()
    bad: list[BadImage] = []
    notices: list[str] = []
    count, last = 0, None
    bar = Progress(work.size, work.done, silent=work.size == 1 or rank() > 0)
    with closing(bar), _going_on(note is not None):
        while (number := take()) < len(shares):
            share = shares[number]
            pieces = [work.piece(place) for place in share.pieces]
            bar.advance(max(0, work.done + share.pieces.start - bar.done))  # what others have done meanwhile
            if share.shard:
                made = _translate_shard(share, pieces, work, translator, opt, bad, bar)
                if made and note:
                    note(work.name_of_shard(share), NO_STANDING, share.shard)
                count, last = count + made, share.shard
                continue
            results = (_translate_whole(pieces[0], translator, opt, notices) if pieces[0].whole else
                       _translate_still(pieces, work, translator, opt, bad))
            for piece, target in results:
                if note:
                    note(piece.name, Standing(piece.size, piece.date), target)
                count, last = count + 1, target
                bar.advance(1)
    return Made(count, last, len(bad), list(map(str, bad[:MOST_SAID])), notices)


def _translate_whole(piece: Piece, translator: Translator, opt: TestCommandOptions, notices: list[str]
                     ) -> Iterator[tuple[Piece, Path]]:
    """From file to file."""
    source, target = Path(piece.source), Path(piece.target)
    with closing(Told(source.name)) as frames:
        notices += translator.translate_file(source, target, batch_size=opt.batch_size,
                                             progress=frames if rank() == 0 and is_video(source) else None)
    yield piece, target


def _translate_still(pieces: Sequence[Piece], work: Work, translator: Translator, opt: TestCommandOptions,
                     bad: list[BadImage]) -> Iterator[tuple[Piece, Path]]:
    """Pictures, one after the other; those that cannot be read go to `bad`."""
    for piece, target, picture in _pictures(pieces, work, translator, opt, bad):
        if str(target) in work.inputs_there:
            raise UserError(f"{target} is an input itself, which is never replaced; give another file")
        write_picture(target, picture)
        yield piece, target


def _translate_shard(share: Share, pieces: Sequence[Piece], work: Work, translator: Translator,
                     opt: TestCommandOptions, bad: list[BadImage], bar: Progress) -> int:
    """Pictures into a shard; returns how many. None is written where none can be read."""
    assert share.shard
    begin, made = len(above(share.shard)), 0

    def files() -> Iterator[File]:
        nonlocal made
        for _, target, picture in _pictures(pieces, work, translator, opt, bad):
            yield File(os.fsdecode(os.fsencode(target)[begin:]), as_file(target, picture))
            made += 1
            bar.advance(1)
    all_files = files()
    for first in all_files:
        write_shard(share.shard, chain([first], all_files))
    return made


def _pictures(pieces: Sequence[Piece], work: Work, translator: Translator, opt: TestCommandOptions,
              bad: list[BadImage]) -> Iterator[tuple[Piece, Path, Picture]]:
    """The translation of each piece, with the file that it becomes."""
    of_sources = {Path(piece.source): piece for piece in pieces}
    looked = {path: work.range_of(piece) for path, piece in of_sources.items()}
    for source, picture in translator.pictures(looked, opt.batch_size, bad if opt.skip_bad_images else None):
        piece = of_sources[source]
        target = Path(piece.target)
        yield piece, target if piece.named else _with_ending(target, picture, opt.format, piece.alone), picture


@contextmanager
def _going_on(journal: bool) -> Iterator[None]:
    """Says that what was made stays, where that is so."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("what is translated stays; the same again goes on" if journal else "") from None
    except OSError as error:
        if not journal:
            raise
        raise MachineError(f"{error}\nWhat is translated stays: mend that, and the same again goes on") from None


def _told(count: int, reasons: Sequence[str]) -> list[str]:
    """A note about files that could not be read when it was their turn."""
    more = [f"... and {count - MOST_SAID} more"] if count > MOST_SAID else []
    return [f"note: {count} images could not be read and were left out:\n  "
            + "\n  ".join([*reasons[:MOST_SAID], *more])] if count else []


def _with_ending(target: Path, picture: Picture, format: str, alone: bool) -> Path:
    """The target with the ending that --format says, or the input has. alone: whether no other file differs from it in
    its ending only; else it keeps its own before the new one.
    """
    asked = "as_input" if format == "auto" else format
    ending = ending_for(asked, picture.origin, picture.values.dtype, picture.values.shape[2])
    stem, own = split_ending(target.name)
    same = ENDINGS.get(own.lower().removeprefix(".")) is ENDINGS[ending]
    return target if same else target.with_name(f"{stem if alone else target.name}.{ending}")


def _refuse_what_needs_a_page(options: Options) -> None:
    if world_size() > 1 and STREAM in (options.view(TestCommandOptions).dataroot, options.view(OutputOptions).output):
        raise UserError("- is a stream of one process, and torchrun started several; start it with python")
    for flag in ("samples", "results_dir", "aspect_ratio", "dataset_mode", "save", "show_bands"):
        if options.given(flag):
            raise UserError(f"--{flag} belongs to a results page, and --output writes none; leave out one of the two")


@contextmanager
def _from_standard_input(dataroot: str) -> Iterator[Path]:
    """--dataroot, or a file with what stands on standard input."""
    if dataroot != STREAM:
        yield Path(dataroot)
        return
    content = sys.stdin.buffer.read()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"standard_input{ending_of(content)}")
        path.write_bytes(content)
        yield path


@contextmanager
def _to_standard_output(output: str, stream: IO[bytes]) -> Iterator[str]:
    """--output, or a folder whose only file then goes to `stream`. MachineError when nobody reads it to the end."""
    if output != STREAM:
        yield output
        return
    with tempfile.TemporaryDirectory() as folder:
        yield folder + "/"
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        if len(files) != 1:
            raise UserError(f"--output - writes one file, and --dataroot has {len(files)}; give a folder")
        try:
            with files[0].open("rb") as file:
                shutil.copyfileobj(file, stream)
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # Python would flush it again at the end
            raise MachineError("whoever reads standard output ended before it was complete") from None
