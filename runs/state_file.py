"""The checkpoint: all that a training goes on from, in one checksummed file, and always two good ones.

The weights alone, for testing and for others, are in files of their own: see weight_files.py.
"""
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from engine.shortage import OUT_OF_MEMORY
from runs.overwriting import forget
from runs.run_folder import LATEST, LOGS, NEXT, PREVIOUS, holds_a_state
from runs.tensor_files import is_whole, write_checked
from util.errors import MachineError, UserError
from util.files import replacing

PARTS = {"engine": dict, "moment": dict, "val_losses": list, "skipped": int, "health": dict, "logs": dict}
WITHIN = {"engine": ("nets", "optimizers"), "moment": ("epoch", "images", "total"), "logs": LOGS}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DamagedState(UserError):
    """A state file that is not what was written."""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write latest_state.pth; the one that was there becomes previous_state.pth. A run that was put aside is removed.

    Raises OSError when it cannot be written; the files that were there are then untouched.
    """
    new, latest = folder / NEXT, folder / LATEST
    with replacing(new) as file:
        write_checked(state, file)
    if latest.exists():
        os.replace(latest, folder / PREVIOUS)
    os.replace(new, latest)
    forget(folder)


def load_state(folder: Path) -> tuple[dict[str, Any], list[str]] | None:
    """The newest good state in a run's folder with a notice about each damaged one; None when there is no state file.

    Raises DamagedState when there are state files and none is good.
    """
    notices: list[str] = []
    for path in (folder / LATEST, folder / PREVIOUS):
        if path.is_file():
            try:
                state = read_state(path)
                _require_parts(state, path)
                return state, notices
            except DamagedState as error:
                notices.append(f"warning: {error}; going back to the state before it")
    if notices:
        raise DamagedState("\n".join(notices) + "\nbut no good state is left. Start anew with --overwrite, or in a new "
                           f"--name from the weights with --init_from {folder}")
    return None


def read_state(path: Path) -> dict[str, Any]:
    """The state in a file; code in a file is never run. DamagedState when its checksum does not fit."""
    with open(path, "rb") as file:
        if not is_whole(file):
            raise DamagedState(f"{path} is damaged: its {path.stat().st_size} bytes do not fit its checksum")
        file.seek(0)
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # the unpickler fails in any way it likes
            kind = type(error).__name__
            raise DamagedState(f"{path} is no state of a training ({kind}); code in it is not run") from None
    if not isinstance(state, dict):
        raise DamagedState(f"{path} is no state of a training, but a {type(state).__name__}")
    return state


def _require_parts(state: dict[str, Any], path: Path) -> None:
    """DamagedState when a part of a training is missing or something else."""
    wrong = [name for name, kind in PARTS.items() if not isinstance(state.get(name), kind)]
    wrong += [name for name, needed in WITHIN.items() if name not in wrong and not set(needed) <= state[name].keys()]
    if wrong:
        raise DamagedState(f"{path} is no state of a training: {', '.join(wrong)} is missing or something else; "
                           f"expected {', '.join(PARTS)}")


@contextmanager
def state_must_fit(folder: Path) -> Iterator[None]:
    """Turns what goes wrong when a state is put to use into a UserError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if any(word in str(error) for word in OUT_OF_MEMORY):
            raise
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"the state in {folder} does not fit this training ({type(error).__name__}: {reason}): it was written by "
            f"another version, or for other options.\nTo go on from the weights alone, move {LATEST} and {PREVIOUS} "
            f"elsewhere; or begin another --name with --init_from {folder}") from error


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turns a full disk into a MachineError that says what is safe and what to type."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        kept = (f"the last good state in {folder} is kept: make room, then --continue_train goes on from it"
                if holds_a_state(folder) else f"nothing had been saved in {folder} yet: make room and start again")
        raise MachineError(f"{error}\n{kept}") from None
