"""test.py --output: pictures to pictures, without a results page."""
from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from data.pages import chosen_pages
from door.endings import ending_of
from door.files import VIDEOS, is_video, moves
from door.jobs import Job, Say, identities, plan, require_another
from options.groups import OutputOptions, TestCommandOptions
from options.schema import Options
from raster.bad_image import BadImage
from raster.picture import Picture
from raster.writing import ENDINGS, ending_for, write_picture
from runs.progress import Progress, Told
from util.errors import MachineError, UserError
from util.names import split_ending
from util.torchrun import world_size

if TYPE_CHECKING:
    from door.translator import Translator

STREAM = "-"


def translate_to_output(options: Options, translator: Translator, say: Say, standard_output: IO[bytes]) -> None:
    """Translate --dataroot (a file, a folder, a glob, or - for standard input) into --output. say: shows the user
    lines.

    UserError when something is not there, cannot be read or written, or would replace an input.
    """
    opt, output = options.view(TestCommandOptions), options.view(OutputOptions).output
    _refuse_what_needs_a_page(options)
    with _from_standard_input(opt.dataroot) as dataroot, _to_standard_output(output, standard_output) as place:
        jobs = plan(dataroot, place, say)
        made = _translate(jobs[:opt.num_test] if options.given("num_test") else jobs, translator, opt, say)
    if output != STREAM:
        say([f"output: {made[0] if len(made) == 1 else output}"])


def _translate(jobs: list[Job], translator: Translator, opt: TestCommandOptions, say: Say) -> list[Path]:
    """Translate the files; returns those that were written."""
    found = [job for job in jobs if moves(job.source, job.target, opt.page)
             and (job.named or is_video(job.source) or opt.format in ("auto", "as_input"))]
    moving = _as_videos(found)
    still = {job.source: job for job in jobs if job not in found}
    written = _translate_still(still, translator, opt, say) if still else []
    inputs = identities(job.source for job in jobs)
    for source, target, _ in moving:
        require_another(target, inputs)
        with closing(Told(source.name)) as frames:
            notices = translator.translate_file(source, target, batch_size=opt.batch_size, progress=frames)
        say(notices)
        written.append(target)
    return written


def _as_videos(jobs: list[Job]) -> list[Job]:
    """With endings that are written: those of videos that are only read become .mp4, or .avi.mp4 where that is taken.
    """
    uses = Counter(job.target.with_suffix("") for job in jobs)

    def written(target: Path) -> Path:
        if not is_video(target) or target.suffix.lower() in VIDEOS:
            return target
        return target.with_name(f"{target.stem if uses[target.with_suffix('')] == 1 else target.name}.mp4")
    return [job._replace(target=written(job.target)) for job in jobs]


def _translate_still(jobs: Mapping[Path, Job], translator: Translator, opt: TestCommandOptions, say: Say
                     ) -> list[Path]:
    pages = {path: job for job in jobs.values() for path in chosen_pages([job.source], opt.page)[0]}
    looked, notices = translator.look_at(list(pages))
    say(notices)
    if len(jobs) == 1 < len(pages) and next(iter(jobs.values())).named:
        (job,) = jobs.values()
        say(translator.translate_file(job.source, job.target, batch_size=opt.batch_size))
        return [job.target]
    uses, inputs = Counter(job.target.with_suffix("") for job in jobs.values()), identities(jobs)
    bad: list[BadImage] = []
    written = []
    bar = Progress(len(looked), silent=len(looked) == 1)
    for source, picture in translator.pictures(looked, opt.batch_size, bad if opt.skip_bad_images else None):
        job = pages[source]
        target = job.target if job.named or source == job.source else job.target.with_name(source.name)
        if not job.named:
            target = _with_ending(target, picture, opt.format, alone=uses[job.target.with_suffix("")] == 1)
            require_another(target, inputs)
        write_picture(target, picture)
        written.append(target)
        bar.advance(1)
    bar.close()
    if bad:
        say([f"note: {len(bad)} images could not be read and were left out:\n  " + "\n  ".join(map(str, bad))])
    return written


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
    if world_size() > 1:
        raise UserError("--output translates in one process, and torchrun started several; start it with python")
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
