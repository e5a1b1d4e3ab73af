"""TorchScript: the older program of PyTorch, which C++ (libtorch) and phones load too."""
from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch

from exporting.command_line import ExportOptions
from exporting.contract import Export, Function
from exporting.crossing import Crossing
from exporting.metadata import as_json, metadata
from exporting.noise import seeded
from exporting.translation import example, translation
from util.files import write_atomically

NAME, ENDING, EXTRA, SEEDED = "torchscript", ".pt", "", True
PARTS: set[str] = set()


def refuse(opt: ExportOptions) -> None:
    """Nothing: torch is there."""


def tolerance(opt: ExportOptions) -> float:
    """Of 32 bits."""
    return 1e-3


def write(export: Export, target: Path) -> None:
    """The program of `translation`, traced; its metadata in the extra file metadata.json."""
    with warnings.catch_warnings(action="ignore"), torch.no_grad():  # torch would have torch.export instead
        program = torch.jit.trace(translation(export), (example(export),), check_trace=False)
        # not to the file: where the disk is full, torch would end the process there
        torch.jit.save(program, written := io.BytesIO(), _extra_files={"metadata.json": as_json(metadata(export))})
    write_atomically(target, written.getvalue())


def open(target: Path, export: Export) -> Function:
    """The file's program, with the noise of the run's seed."""
    with warnings.catch_warnings(action="ignore"):
        program = torch.jit.load(str(target), map_location="cpu")
    return Crossing.of(export).around(seeded(program, export.opt.seed))
