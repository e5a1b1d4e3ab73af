"""ONNX: one file for onnxruntime, browsers and phones."""
from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.noise import draws_noise
from exporting.captured import captured, exporter_ready
from exporting.command_line import ExportOptions
from exporting.contract import Export, Function
from exporting.crossing import Crossing
from exporting.metadata import metadata
from exporting.onnx_noise import spell_dropout, without_noise
from exporting.precisions import TOLERANCES, in_precision
from util.errors import UserError
from util.extra import library
from util.files import write_atomically

NAME, ENDING, EXTRA, SEEDED = "onnx", ".onnx", "export", False
PARTS: set[str] = set()
MOST = 2**31 - 2**20  # bytes of a protobuf


def refuse(opt: ExportOptions) -> None:
    """UserError when a library is missing."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        library(module, EXTRA, f"--to {opt.to}")


def tolerance(opt: ExportOptions) -> float:
    """That of the precision."""
    return TOLERANCES[opt.precision]


def write(export: Export, target: Path) -> None:
    """The graph of `translation`: input 'input', output 'output', any batch, height and width; metadata_props filled.

    UserError when it is larger than an ONNX file can be.
    """
    import onnx

    size = sum(value.nbytes for value in export.net.state_dict().values())
    if size > MOST:
        raise UserError(f"the generator has {size / 2**30:.1f} GiB of weights, and an ONNX file holds 2; give --to "
                        "torch_export")
    model = in_precision(_graph(export), export)
    onnx.helper.set_model_props(model, metadata(export))
    onnx.checker.check_model(model, full_check=True)
    write_atomically(target, model.SerializeToString())


def open(target: Path, export: Export) -> Function:
    """The file in onnxruntime, on the CPU, with its noise turned off. UserError when it had none, and should."""
    import onnx

    crossing = Crossing.of(export)
    if draws_noise([export.net]):
        noisy, x = crossing.around(session(str(target))), export.pictures[0].units
        if torch.equal(noisy(x), noisy(x)):
            raise UserError("onnxruntime leaves out the dropout of this generator, which is its noise; give --eval for "
                            "an export without it, or --to torch_export")
    return crossing.around(session(without_noise(onnx.load(target)).SerializeToString()))


def session(source: bytes | str) -> Function:
    """A graph in onnxruntime as a function of its input. source: its bytes, or its file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    opened = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def run(x: Tensor) -> Tensor:
        (made,) = opened.run(None, {"input": np.ascontiguousarray(x.numpy())})
        return torch.from_numpy(made)
    return run


def _graph(export: Export) -> Any:
    """The ONNX model, without what the exporter notes of this machine."""
    with exporter_ready(), warnings.catch_warnings(action="ignore"), _quiet():
        program = torch.onnx.export(captured(export), dynamo=True, input_names=["input"], output_names=["output"],
                                    verbose=False)
    assert program is not None
    model = program.model_proto
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
        part.doc_string = ""
    return spell_dropout(model)


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the words of the exporter, whose steps the user did not ask for."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with contextlib.redirect_stdout(io.StringIO()):
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
