"""One training a run folder."""
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from util.errors import UserError


@contextmanager
def run_lock(folder: Path, patience: float = 0) -> Iterator[None]:
    """Holds `folder`/.lock while training. UserError when a living process holds it, for more than `patience` seconds.

    The operating system frees the lock when its process ends, however it ends, so that a dead one never blocks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as file:
        deadline = time.monotonic() + patience
        while not (ours := _locked(file)) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not ours:
            file.seek(0)
            raise UserError(f"another training is at work in {folder} ({file.read().strip() or 'unknown process'}); "
                            "wait for it, stop it, or give another --name") from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
