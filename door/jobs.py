"""Which files become which, and that no input is replaced."""
import glob
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from data.folders import look_through, natural_key
from util.errors import UserError

Say = Callable[[Iterable[str]], None]


class Job(NamedTuple):
    """A file and what it becomes. named: whether its ending was given; else it is that which suits the picture."""

    source: Path
    target: Path
    named: bool = True


def plan(dataroot: Path, output: str, say: Say) -> list[Job]:
    """Which files become which. A file becomes --output if that has an ending; a folder keeps its tree and names.

    UserError when there is none, or one would be replaced.
    """
    place = Path(output)
    if dataroot.is_file():
        jobs = [Job(dataroot, place) if _is_file(output) else Job(dataroot, place / dataroot.name, False)]
    else:
        root, files = _found(dataroot, say)
        if _is_file(output):
            raise UserError(f"--output {output} is one file, and --dataroot {dataroot} has {len(files)} files; give a "
                            "folder")
        jobs = [Job(path, place / path.relative_to(root), False) for path in files]
    inputs = identities(job.source for job in jobs)
    for job in jobs:
        require_another(job.target, inputs)
    return jobs


def _found(dataroot: Path, say: Say) -> tuple[Path, Sequence[Path]]:
    """The files in a folder, or that a glob names, and the folder above them all."""
    files: Sequence[Path]
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


def identities(files: Iterable[Path]) -> set[tuple[int, int]]:
    """What tells the files apart that are there, whatever they are called."""
    found = (path.stat() for path in files if path.exists())
    return {(status.st_dev, status.st_ino) for status in found}


def require_another(target: Path, inputs: set[tuple[int, int]]) -> None:
    """UserError when a file would replace one of the inputs, which are known by their `identities`."""
    if identities([target]) & inputs:
        raise UserError(f"{target} is an input itself, which is never replaced; give another file")
