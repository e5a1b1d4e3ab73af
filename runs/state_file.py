"""The state file of a training: checksummed, and always two good ones."""
import hashlib
import io
import os
import struct
from pathlib import Path
from typing import Any

import torch

from util.errors import UserError
from util.files import write_atomically

LATEST, PREVIOUS = "latest_state.pth", "previous_state.pth"
CHECKSUM_BYTES = 64  # SHA-256 in hexadecimal
COMMENT_LENGTH = struct.Struct("<H")  # a zip archive ends with the length of its comment, and the comment


class DamagedState(UserError):
    """A state file that is not what was written."""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write latest_state.pth; the one that was there becomes previous_state.pth.

    The file is an ordinary torch.save archive whose zip comment is the SHA-256 of everything before the comment.
    Raises OSError when it cannot be written; the files that were there are then untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()[:-COMMENT_LENGTH.size]
    checksum = hashlib.sha256(content).hexdigest().encode()
    new, latest = folder / "next_state.pth", folder / LATEST
    write_atomically(new, content + COMMENT_LENGTH.pack(CHECKSUM_BYTES) + checksum)
    if latest.exists():
        os.replace(latest, folder / PREVIOUS)
    os.replace(new, latest)


def load_state(folder: Path) -> tuple[dict[str, Any], list[str]] | None:
    """The newest good state in a run's folder with a notice about each damaged one; None when there is no state file.

    Raises DamagedState when there are state files and none is good.
    """
    notices = []
    for path in (folder / LATEST, folder / PREVIOUS):
        if path.is_file():
            try:
                return read_state(path), notices
            except DamagedState as error:
                notices.append(f"warning: {error}; going back to the state before it")
    if notices:
        raise DamagedState("\n".join(notices) + "\nbut no good state is left. Start anew with --overwrite, or in a new "
                           f"--name from the weights with --init_from {folder}")
    return None


def read_state(path: Path) -> dict[str, Any]:
    """The state in a file; code in a file is never run. DamagedState when its checksum does not fit."""
    whole = path.read_bytes()
    content, checksum = whole[:-CHECKSUM_BYTES - COMMENT_LENGTH.size], whole[-CHECKSUM_BYTES:]
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise DamagedState(f"{path} is damaged: its {len(whole)} bytes do not fit its checksum")
    try:
        state = torch.load(io.BytesIO(whole), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler fails in any way it likes
        raise DamagedState(f"{path} is no state of a training ({type(error).__name__}); code in it is not run") from None
    if not isinstance(state, dict):
        raise DamagedState(f"{path} is no state of a training, but a {type(state).__name__}")
    return state
