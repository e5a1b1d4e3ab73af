"""Files that are either old or new, never half written."""

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file so that a reader, or a crash at any moment, finds the old content or the new.

    path: the file to write; missing parent folders are created.
    data: the content; a str is written as UTF-8.
    Raises OSError when it cannot be written; the old file is then untouched and no temporary file is left.
    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
