"""ONNX graphs in fewer bits."""
from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from exporting.contract import Export
from exporting.crossing import Crossing

TOLERANCES = {"fp32": 1e-3, "fp16": 0.03, "int8": 0.25}
"""The largest difference from PyTorch that is accepted, of values in [-1, 1]."""


def in_precision(model: Any, export: Export) -> Any:
    """The ONNX model with the arithmetic of --precision. In fp16 it was written already, see translation.py's Half."""
    return _in_int8(model, export) if export.opt.precision == "int8" else model


def _in_int8(model: Any, export: Export) -> Any:
    """Convolutions in 8 bits, by scales that were found on the pictures (static quantisation, QDQ)."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)  # it speaks through the root
        try:
            quantize_static(source, target, _Pictures(export), op_types_to_quantize=["Conv", "ConvTranspose"],
                            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                            calibrate_method=CalibrationMethod.MinMax)
        finally:
            logging.getLogger().setLevel(level)
        return onnx.load(target)


class _Pictures:
    """The run's pictures as onnxruntime's calibration asks for them."""

    def __init__(self, export: Export):
        crossing = Crossing.of(export)
        self.feeds: Iterator[dict[str, np.ndarray]] = iter(
            [{"input": crossing.enter(given.units).numpy()} for given in export.pictures])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next picture; None after the last."""
        return next(self.feeds, None)
