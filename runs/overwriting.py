"""The run that a new one overwrites is kept, hidden in the same folder, until the first state of the new one stands.

That hidden folder is there, if need be empty, from the beginning of a training until its first state is saved. So it
also tells a training that never saved from one whose state was removed.
"""
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runs.run_folder import LATEST, WEIGHTS, run_files
from util.files import remove, remove_leftovers, temporary_beside
from util.torchrun import may_be_restarted, rank

KEPT = ".until_first_save"
MOVING = ".moving"  # a killed process left it half way between the two places: what lies in it belongs to the folder


def never_saved(folder: Path) -> bool:
    """Whether a training began here and ended, or stands, before its first state."""
    return (folder / KEPT).is_dir() and not (folder / LATEST).exists()


def keep_until_saved(folder: Path) -> None:
    """Put the run in the folder aside for a new one. What a training left that never saved is removed."""
    if never_saved(folder):
        for path in run_files(folder):
            remove(path)
        return
    (folder / MOVING).mkdir()
    for path in run_files(folder):
        path.rename(folder / MOVING / path.name)
    (folder / MOVING).rename(folder / KEPT)


def forget(folder: Path) -> None:
    """Remove the run that was put aside: the new one has saved its state."""
    if (folder / KEPT).is_dir():
        doomed = temporary_beside(folder / KEPT)
        (folder / KEPT).rename(doomed)  # at once, however long removing takes
        shutil.rmtree(doomed, ignore_errors=True)


def put_back(folder: Path) -> list[str]:
    """Give the folder back to the run that was put aside, if there is one; a notice about that."""
    if not run_files(folder / KEPT):
        return []
    for path in run_files(folder):
        remove(path)
    (folder / KEPT).rename(folder / MOVING)
    _end_moving(folder)
    return [f"note: the new training had not saved a state yet; {folder} holds the run before it again"]


def _end_moving(folder: Path) -> None:
    """Bring what lies between the two places back to the folder."""
    for path in (folder / MOVING).iterdir():
        os.replace(path, folder / path.name)
    (folder / MOVING).rmdir()


def tidy(folder: Path, overwrite: bool) -> list[str]:
    """Mend what a killed training left in the folder, under its lock; notices.

    overwrite: the run that was put aside is to be overwritten again, so it stays where it is.
    """
    remove_leftovers(folder)
    if (folder / MOVING).is_dir():
        _end_moving(folder)
    if not never_saved(folder):
        forget(folder)
    elif not overwrite:
        return put_back(folder)
    return []


@contextmanager
def run_before_kept(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """When a training fails in this block before its first state is saved, the run it was to overwrite is put back."""
    try:
        yield
    except BaseException:
        if rank() == 0 and never_saved(folder):
            for notice in where_kept(folder) if may_be_restarted() else put_back(folder):
                say(notice)
        raise


def where_kept(folder: Path) -> list[str]:
    """A notice about the run that is put aside, if there is one."""
    if not run_files(folder / KEPT):
        return []
    return [f"note: the run before is kept in {folder / KEPT} until a new one has saved; a start of train.py without "
            "--overwrite puts it back"]


def place_now(path: Path) -> Path:
    """Where a run's folder, or a weight file in one, is found while that run is put aside; else `path`."""
    kept = path / KEPT if path.is_dir() else path.parent / KEPT / path.name
    return kept if kept.is_file() or any(kept.glob(WEIGHTS)) else path
