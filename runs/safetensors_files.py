"""Weights as safetensors: numbers and a header in JSON, with no room for code."""
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runs.run_folder import CONFIG, TENSORS
from util.errors import UserError
from util.extra import library
from util.files import write_atomically

OURS = "bothways"  # under which our part of the header stands
SUM = "sha256"  # under which config.json has the checksum of the weights beside it
MOST_HEADER = 100_000_000  # bytes; the library takes no longer one


def write_safetensors(path: Path, state: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write a state_dict, with `about` in the header. Raises OSError; UserError without the library."""
    save = library("safetensors.torch", "export", f"writing {path}").save
    tensors = {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in state.items()}
    write_atomically(path, save(tensors, {OURS: json.dumps(about)}))  # of several entries the order would be random


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a file. UserError when it is damaged, or not the one that the config.json beside it was written
    for."""
    load_file = library("safetensors.torch", "export", f"{path} is a safetensors file, and reading it").load_file
    try:
        state = load_file(path)
    except Exception as error:  # its own class is known only where it is installed
        raise UserError(f"{path} is a damaged safetensors file ({error}); fetch or export it again") from None
    _require_summed(path)
    return state


def read_header(path: Path) -> dict[str, Any]:
    """What `write_safetensors` was told about the weights; {} when another program wrote the file.

    UserError when it is damaged.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, MOST_HEADER)))
        about = json.loads(header.get("__metadata__", {}).get(OURS, "{}"))
        if not isinstance(about, dict):
            raise TypeError(f"{about!r} is no dict")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is a damaged safetensors file ({error}); fetch or export it again") from None
    return about


def checksum(path: Path) -> str:
    """The SHA-256 of a file, as the Hub shows it, too."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_summed(path: Path) -> None:
    """UserError when config.json beside the file names another checksum."""
    config = path.parent / CONFIG
    if path.name != TENSORS or not config.is_file():
        return
    try:
        expected = json.loads(config.read_bytes()).get(SUM)
    except (OSError, ValueError, AttributeError, RecursionError):
        return  # whoever reads the options tells
    if expected and expected != checksum(path):
        raise UserError(f"{path} is not the file that {config} was written for: its SHA-256 is another one. Fetch or "
                        f"export both again; if the weights were changed on purpose, take {SUM!r} out of {CONFIG}")
