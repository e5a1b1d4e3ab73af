"""test.py --output: pictures to pictures, without a results page."""
from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from data.folders import look_through, natural_key
from door.endings import ending_of
from door.files import VIDEOS, is_video, moves, require_another, write
from options.groups import OutputOptions, TestCommandOptions
from options.schema import Options
from raster.pillow_files import BadImage
from runs.progress import Progress
from util.errors import MachineError, UserError
from util.torchrun import world_size

if TYPE_CHECKING:
    from door.translator import Translator

STREAM = "-"
WRITTEN = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".ppm", ".avif", *VIDEOS)
Say = Callable[[Iterable[str]], None]


class Job(NamedTuple):
    """A file and what it becomes."""

    source: Path
    target: Path


def translate_to_output(options: Options, translator: Translator, say: Say, standard_output: IO[bytes]) -> None:
    """Translate --dataroot (a file, a folder, a glob, or - for standard input) into --output.

    say: shows the user lines. UserError when something is not there, cannot be read or written, or would replace an input.
    """
    opt, output = options.view(TestCommandOptions), options.view(OutputOptions).output
    _refuse_what_needs_a_page(options)
    with _from_standard_input(opt.dataroot) as dataroot, _to_standard_output(output, standard_output) as place:
        jobs = plan(dataroot, place, say)
        for source, target in jobs:
            require_another(source, target)
        most = opt.num_test if options.given("num_test") else len(jobs)
        _translate(jobs[:most], translator, opt, say)
    if output != STREAM:
        say([f"output: {jobs[0].target if len(jobs) == 1 else output}"])


def plan(dataroot: Path, output: str, say: Say) -> list[Job]:
    """Which files become which. A file becomes --output if that has an ending; a folder keeps its tree and names."""
    place = Path(output)
    if dataroot.is_file():
        return [Job(dataroot, place if _is_file(output) else place / _renamed(Path(dataroot.name)))]
    root, files = _found(dataroot, say)
    if _is_file(output):
        raise UserError(f"--output {output} is one file, and --dataroot {dataroot} has {len(files)} files; give a "
                        "folder")
    names = [path.relative_to(root) for path in files]
    uses = Counter(_renamed(name) for name in names)
    return [Job(path, place / (_renamed(name) if uses[_renamed(name)] == 1 else f"{name}{_renamed(name).suffix}"))
            for path, name in zip(files, names, strict=True)]


def _found(dataroot: Path, say: Say) -> tuple[Path, list[Path]]:
    """The files in a folder, or that a glob names, and the folder above them all."""
    if dataroot.is_dir():
        files, notices = look_through(dataroot)
        say(notices)
        root = dataroot
    else:
        fixed = dataroot.parts[:-1]
        magic = next((place for place, part in enumerate(fixed) if glob.has_magic(part)), len(fixed))
        root = Path(*fixed[:magic])
        found = [Path(name) for name in glob.glob(str(dataroot), recursive=True)]
        files = sorted((path for path in found if path.is_file()), key=lambda path: natural_key(path, root))
    if not files:
        raise UserError(f"--dataroot {dataroot} names no image; expected an image or a video, a folder of images, a "
                        "glob in quotes such as \"photos/*.jpg\", or - for standard input")
    return root, files


def _is_file(output: str) -> bool:
    """Whether --output means a file: it has an ending, and is no folder."""
    return bool(Path(output).suffix) and not output.endswith(("/", "\\")) and not Path(output).is_dir()


def _renamed(name: Path) -> Path:
    """With the ending of what it becomes: its own if such files can be written, else that of a PNG, or an MP4."""
    if name.suffix.lower() in WRITTEN:
        return name
    return name.with_suffix(".mp4" if is_video(name) else ".png")


def _translate(jobs: list[Job], translator: Translator, opt: TestCommandOptions, say: Say) -> None:
    still = [job for job in jobs if not moves(*job)]
    bad: list[BadImage] = []
    bar = Progress(len(jobs), silent=len(jobs) == 1)
    targets = dict(still)
    for source, picture in translator.pictures(targets, opt.batch_size, bad if opt.skip_bad_images else None):
        write(targets[source], picture)
        bar.advance(1)
    bar.close()
    for source, target in (job for job in jobs if job not in still):
        frames = _Frames(str(source))
        notices = translator.translate_file(source, target, opt.batch_size, frames)
        frames.close()
        say(notices)
    if len(bad) == len(jobs):
        raise bad[-1]
    if bad:
        say([f"note: {len(bad)} images could not be read and were left out:\n  " + "\n  ".join(map(str, bad))])


class _Frames:
    """Shows how far a video is."""

    def __init__(self, name: str):
        self.name = name
        self.bar: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        self.bar = self.bar or Progress(total)
        self.bar.advance(done - self.bar.done, Path(self.name).name)

    def close(self) -> None:
        if self.bar:
            self.bar.close()


def _refuse_what_needs_a_page(options: Options) -> None:
    if world_size() > 1:
        raise UserError("--output translates in one process, and torchrun started several; start it with python")
    for flag in ("samples", "results_dir", "aspect_ratio", "dataset_mode"):
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
