"""Files that are either old or new, never half written."""
import os
import re
import secrets
import shutil
from pathlib import Path

TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


def temporary_beside(path: Path) -> Path:
    """A new name in the folder of `path`, hidden, which `remove_leftovers` knows as ours."""
    return path.parent / f".{secrets.token_hex(8)}.tmp"


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file so that a reader, or a crash at any moment, finds the old content or the new.

    path: the file to write; missing parent folders are created.
    data: the content; a str is written as UTF-8.
    Raises OSError, with the path, when it cannot be written; the old file is then untouched and no temporary file left.
    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:  # that of a full disk names no file, the others name the temporary one
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


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
