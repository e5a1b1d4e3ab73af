"""Losses, validation, rate and pictures for TensorBoard, for `--use_tensorboard`."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from util.errors import UserError


def open_tensorboard(use_tensorboard: bool, folder: Path, done: int) -> TensorboardLog | None:
    """Begin, or go on with, the event files in `folder`; None, and nothing is imported, when it is not asked for.

    done: images trained on so far; what an earlier process logged beyond them is not shown.
    Raises UserError if tensorboard is not installed.
    """
    if not use_tensorboard:
        return None
    return TensorboardLog(import_tensorboard()(str(folder), purge_step=done + 1))


def import_tensorboard() -> Any:
    """torch's SummaryWriter. Raises UserError if tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(f"--use_tensorboard needs the tensorboard package ({error}): `pip install .[tensorboard]`, or "
                        "leave out --use_tensorboard") from error
    return SummaryWriter


class TensorboardLog:
    """The event files of one run. The steps are images trained on."""

    def __init__(self, writer: Any):
        """writer: a SummaryWriter."""
        self._writer = writer

    def log_losses(self, total: int, losses: Mapping[str, float]) -> None:
        """Add a point to each curve loss/<name>."""
        self._add("loss", total, losses)

    def log_validation(self, total: int, metrics: Mapping[str, float]) -> None:
        """Add a point to each curve validation/<name>."""
        self._add("validation", total, metrics)

    def log_lr(self, total: int, lr: float) -> None:
        """Add a point to the curve of the learning rate."""
        self._writer.add_scalar("lr", lr, total)

    def log_images(self, total: int, epoch: int, images: Mapping[str, np.ndarray]) -> None:
        """Add pictures. images: label -> uint8 (H, W, 3)."""
        for label, image in images.items():
            self._writer.add_image(f"images/{label}", image, total, dataformats="HWC")

    def flush(self) -> None:
        """Write what waits to the file."""
        self._writer.flush()

    def close(self) -> None:
        """Write what waits and close the file."""
        self._writer.close()

    def _add(self, kind: str, total: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{kind}/{name}", value, total)
