"""One process at a time: one training a run folder, one translation a target."""
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from util.errors import UserError
from util.torchrun import rank

LOCK = ".lock"
HOLDER = ".lock_holder"  # a file of its own: Windows may forbid to read a locked one


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds the file at `path` as a lock; afterwards it is gone.

    The operating system frees it when the process ends, however it ends. UserError, which begins with `what`, when
    another one holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(path).acquire(blocking=False)
    except Timeout:
        raise UserError(f"{what} by another process or thread; wait for it, or stop it") from None
    with held:
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes it when it is free
                path.unlink()


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Holds `folder`/.lock while training; of several processes the first one does.

    The operating system frees it when the process ends, however it ends, and the processes that load images do not
    inherit it, so that a dead training never blocks. UserError when another one is alive.
    """
    if rank() > 0:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / HOLDER
    try:
        held = FileLock(folder / LOCK).acquire(blocking=False)
    except Timeout:
        who = "unknown process"
        with suppress(OSError):
            who = holder.read_text(encoding="utf-8").strip() or who
        raise UserError(f"another training is at work in {folder} ({who}); "
                        "wait for it, stop it, or give another --name") from None
    with held:
        holder.write_text(f"process {os.getpid()}", encoding="utf-8")
        yield


def last_holder(folder: Path) -> int | None:
    """The number of the process that trained in `folder` last, or still does; None when none is known.

    It is at work there if it has `folder`/.lock open: numbers are given again, and other machines have the same ones.
    """
    with suppress(OSError, ValueError):
        return int((folder / HOLDER).read_text(encoding="utf-8").removeprefix("process "))
    return None
