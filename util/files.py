"""Files that are either old or new, never half written."""
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from util.errors import UserError

TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


def temporary_beside(path: Path) -> Path:
    """A new name in the folder of `path`, hidden, which `remove_leftovers` knows as ours."""
    return path.parent / f".{secrets.token_hex(8)}.tmp"


def require_places(files: Mapping[str, Path | str | None]) -> None:
    """To be asked before long work: UserError when a file cannot be written where a flag says, or two flags say the
    same place.

    files: flag -> path; None or '' where the flag is left out.
    """
    taken: dict[Path, str] = {}
    for flag, path in ((flag, Path(file)) for flag, file in files.items() if file):
        if path.is_dir():
            raise UserError(f"{flag} {path} is a folder; give a file, such as one in it")
        there = next(folder for folder in path.absolute().parents if folder.exists())
        if not there.is_dir():
            raise UserError(f"{flag} {path}: {there} is a file, where a folder is expected; give another place")
        if not os.access(there, os.W_OK):
            raise UserError(f"{flag} {path} cannot be written (no permission in {there}); give another place")
        if taken.setdefault(path.resolve(), flag) != flag:
            raise UserError(f"{taken[path.resolve()]} and {flag} both say {path}; give each a file of its own")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which is flushed to disk and stands at `path` once the block is left without an error.

    So a reader, or a crash at any moment, finds the old content or the new.
    path: the file; missing parent folders are created.
    Raises OSError, with the path, when it cannot be written. After any error the old file is untouched and no temporary
    file left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:  # that of a full disk names no file, the others name the temporary one
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file as `whole_file` does, with its promises and errors. data: a str is written as UTF-8."""
    with whole_file(Path(path)) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left under temporary names, here and below. Nobody may be writing meanwhile."""
    for path in sorted(folder.rglob(".*.tmp")):
        if TEMPORARY.fullmatch(path.name):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
