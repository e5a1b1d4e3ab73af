"""A module as a graph of torch.export, for any batch, height and width."""
from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.fx.experimental._config

from exporting.contract import Export
from exporting.translation import dynamic_sizes, example, translation


def captured(export: Export) -> torch.export.ExportedProgram:
    """The graph of what the export was asked to take and give.

    torch.export would assume that no side is 1 inside of the network where it is not in the example: here it must not.
    What it still guards is how tensors of one picture lie in memory, which its operators find out by themselves; so
    those guards are left out, and the file is compared with PyTorch on batches of 1, where they would fail.
    """
    any_size = torch.fx.experimental._config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with exporter_ready(), any_size, warnings.catch_warnings(action="ignore"):
        program = torch.export.export(translation(export), (example(export),),
                                      dynamic_shapes=(dynamic_sizes(export.opt.io),))
    program._guards_code = []
    return program


@contextmanager
def exporter_ready() -> Iterator[None]:
    """Within it the exporter can ask torch for the one setting of TF32 that convolutions and recurrent layers shared
    once, and which torch refuses to tell where they differ, as --precision lets them. On a CPU it changes no numbers.
    """
    layers: list[Any] = [torch.backends.cudnn.conv, torch.backends.cudnn.rnn]  # type: ignore[attr-defined]
    before = [layer.fp32_precision for layer in layers]
    for layer in layers:
        layer.fp32_precision = "tf32"
    try:
        with torch.no_grad():
            yield
    finally:
        for layer, precision in zip(layers, before, strict=True):
            layer.fp32_precision = precision
