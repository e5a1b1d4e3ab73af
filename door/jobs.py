"""Which files become which, and that no input is replaced."""
from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from data.folders import look_through, natural_key
from data.paths import Paths
from util.errors import UserError

Say = Callable[[Iterable[str]], None]
NONE, NOWHERE = Paths.of([]), np.zeros(0, np.int32)


class Job(NamedTuple):
    """A file and what it becomes. named: whether its ending was given; else it is that which suits the picture."""

    source: Path
    target: Path
    named: bool = True


class Jobs(Sequence[Job]):
    """Many of them in little memory, all named or none.

    inputs: the files that are read, of images in shards the shards; shards: those that are written, if that is so, and
    int32 (jobs,), in which of them each target lies.
    """

    def __init__(self, sources: Paths, inputs: Paths, targets: Paths, shards: Paths = NONE,
                 which: np.ndarray = NOWHERE, named: bool = False):
        self.sources, self.inputs, self.targets, self.named = sources, inputs, targets, named
        self.shards, self.which = shards, which

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, place: int) -> Job: ...
    @overload
    def __getitem__(self, place: slice) -> Jobs: ...
    def __getitem__(self, place: int | slice) -> Job | Jobs:
        if isinstance(place, slice):
            return Jobs(self.sources[place], self.inputs, self.targets[place], self.shards, self.which[place],
                        self.named)
        return Job(self.sources[place], self.targets[place], self.named)

    def inputs_there(self) -> list[str]:
        """The inputs among all files that lie where results go, whatever they are called there."""
        results = self.shards if len(self.shards) else self.targets
        folders = [Path(os.fsdecode(name)) for name in sorted({os.path.dirname(name) for name in results.names()})]
        folders = [folder for folder in folders if folder.is_dir()]
        inputs = identities(self.inputs) if folders else set()
        return [str(path) for folder in folders for path in folder.iterdir() if identities([path]) & inputs]


def plan(dataroot: Path, output: str, say: Say) -> Jobs:
    """Which files become which. A file becomes --output if that has an ending; a folder keeps its tree and names.

    UserError when there is none, or one would be replaced.
    """
    place = Path(output)
    if dataroot.is_file():
        named, source = is_file(output), Paths.of([dataroot])
        jobs = Jobs(source, source, Paths.of([place if named else place / dataroot.name]), named=named)
    else:
        root, files = found(dataroot, say)
        if is_file(output):
            raise UserError(f"--output {output} is one file, and --dataroot {dataroot} has {len(files)} files; give a "
                            "folder")
        jobs = Jobs(files, files, moved(files, root, place))
    return refuse_inputs(jobs)


def refuse_inputs(jobs: Jobs) -> Jobs:
    """The jobs. UserError when one of them would replace an input."""
    targets = jobs.shards if len(jobs.shards) else jobs.targets
    for path in jobs.inputs_there():
        if Path(path) in targets:
            raise UserError(f"{path} is an input itself, which is never replaced; give another file")
    return jobs


def found(dataroot: Path, say: Say) -> tuple[Path, Paths]:
    """The files in a folder, or that a glob names, and the folder above them all. UserError when there are none."""
    files: Sequence[Path]
    if dataroot.is_dir():
        files, notices = look_through(dataroot)
        say(notices)
        root = dataroot
    else:
        fixed = dataroot.parts[:-1]
        magic = next((place for place, part in enumerate(fixed) if glob.has_magic(part)), len(fixed))
        root = Path(*fixed[:magic])
        named = [Path(name) for name in glob.glob(str(dataroot), recursive=True)]
        files = sorted((path for path in named if path.is_file()), key=lambda path: natural_key(path, root))
    if not files:
        raise UserError(f"--dataroot {dataroot} names no image; expected an image or a video, a folder of images, a "
                        "glob in quotes such as \"photos/*.jpg\", or - for standard input")
    return root, Paths.of(files)


def moved(files: Paths, root: Path, place: Path) -> Paths:
    """The files, which lie below `root`, as they are called below `place`."""
    begin, there = len(above(root)), above(place)
    return Paths.of_names([there + name[begin:] for name in files.names()])


def above(folder: Path) -> bytes:
    """What a folder's path puts before the names in it."""
    return b"" if folder == Path() else os.path.join(os.fsencode(folder), b"")


def is_file(output: str) -> bool:
    """Whether --output means a file: it has an ending, and is no folder."""
    return bool(Path(output).suffix) and not output.endswith(("/", "\\")) and not Path(output).is_dir()


def identities(files: Iterable[Path]) -> set[tuple[int, int]]:
    """What tells the files apart that are there, whatever they are called."""
    identities = set()
    for path in files:
        with suppress(OSError):
            status = os.stat(path)
            identities.add((status.st_dev, status.st_ino))
    return identities


def require_another(target: Path, inputs: set[tuple[int, int]]) -> None:
    """UserError when a file would replace one of the inputs, which are known by their `identities`."""
    if identities([target]) & inputs:
        raise UserError(f"{target} is an input itself, which is never replaced; give another file")
