"""torch.export's file .pt2: PyTorch alone runs it, without the toolkit's code."""
from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import torch

from exporting.captured import captured, exporter_ready
from exporting.command_line import ExportOptions
from exporting.contract import Export, Function
from exporting.crossing import Crossing
from exporting.metadata import as_json, metadata
from exporting.noise import seeded
from util.errors import UserError
from util.files import write_atomically

NAME, ENDING, EXTRA, SEEDED = "torch_export", ".pt2", "", True
PARTS: set[str] = set()


def refuse(opt: ExportOptions) -> None:
    """UserError for a name by which torch.export.load would not know the file."""
    into = opt.output.endswith(("/", os.sep)) or Path(opt.output).is_dir()
    if opt.output and Path(opt.output).suffix != ENDING and not into:
        raise UserError(f"--output {opt.output}: torch.export reads files whose names end in {ENDING}; give such a one")


def tolerance(opt: ExportOptions) -> float:
    """Of 32 bits."""
    return 1e-3


def write(export: Export, target: Path) -> None:
    """The program of `translation`, for any batch, height and width; its metadata in the extra file metadata.json."""
    program = captured(export)
    with exporter_ready(), warnings.catch_warnings(action="ignore"):  # of weights in more than one layout
        # not to the file: where the disk is full, torch would end the process there
        torch.export.save(program, written := io.BytesIO(), extra_files={"metadata.json": as_json(metadata(export))})
    write_atomically(target, written.getvalue())


def open(target: Path, export: Export) -> Function:
    """The file's program, with the noise of the run's seed."""
    with exporter_ready():
        program = torch.export.load(target).module()
    return Crossing.of(export).around(seeded(program, export.opt.seed))
