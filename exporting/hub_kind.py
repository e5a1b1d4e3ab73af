"""A folder in the form of the Hugging Face Hub: model.safetensors, config.json, README.md and a few pictures."""
from __future__ import annotations

from pathlib import Path

from exporting import samples
from exporting.command_line import ExportOptions
from exporting.contract import Export, Function
from exporting.weights import LARGEST, about, opened
from runs.generator_config import as_config_text
from runs.run_folder import CONFIG, TENSORS
from runs.safetensors_files import checksum, write_safetensors
from util.extra import library
from util.files import write_atomically

NAME, ENDING, EXTRA, SEEDED = "hub", "", "hub", True
PARTS = {"README.md", CONFIG, TENSORS, samples.FOLDER}


def refuse(opt: ExportOptions) -> None:
    """UserError when a library is missing, or it could not be pushed. MachineError when the Hub cannot be reached."""
    library("safetensors.torch", EXTRA, f"--to {opt.to}")
    if opt.push:
        from exporting.pushing import require_may_push

        require_may_push(opt)


def tolerance(opt: ExportOptions) -> float:
    """The arithmetic is PyTorch's."""
    return LARGEST


def write(export: Export, target: Path) -> None:
    """All but README.md, which is the card."""
    target.mkdir()
    write_safetensors(target / TENSORS, export.net.state_dict(), about(export))
    write_atomically(target / CONFIG, as_config_text(about(export), checksum(target / TENSORS)))
    samples.write(export, target)


def open(target: Path, export: Export) -> Function:
    """The folder as `bothways.load` opens it."""
    return opened(target, export)
