"""The weights alone in one file that holds no code, with what it takes to use them in its header."""
from __future__ import annotations

from pathlib import Path

from exporting.command_line import ExportOptions
from exporting.contract import Export, Function
from exporting.weights import LARGEST, about, opened
from runs.safetensors_files import write_safetensors
from util.extra import library

NAME, ENDING, EXTRA, SEEDED = "safetensors", ".safetensors", "export", True
PARTS: set[str] = set()


def refuse(opt: ExportOptions) -> None:
    """UserError when the library is missing."""
    library("safetensors.torch", EXTRA, f"--to {opt.to}")


def tolerance(opt: ExportOptions) -> float:
    """The arithmetic is PyTorch's."""
    return LARGEST


def write(export: Export, target: Path) -> None:
    """The generator's state_dict, in the classic keys."""
    write_safetensors(target, export.net.state_dict(), about(export))


def open(target: Path, export: Export) -> Function:
    """The file as `bothways.load` opens it."""
    return opened(target, export)
