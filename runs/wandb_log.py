"""Losses and pictures to Weights & Biases, for `--use_wandb`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from util.errors import UserError


def open_wandb(use_wandb: bool, project: str, name: str, config: dict) -> WandbLog | None:
    """Start a wandb run.

    use_wandb: False returns None, and wandb is not imported.
    project, name: where the run is shown, and as what.
    config: the options of the run, kept with it.
    Raises UserError if wandb is not installed.
    """
    if not use_wandb:
        return None
    wandb = import_wandb()
    return WandbLog(wandb.init(project=project, name=name, config=config), wandb.Image)


def import_wandb() -> Any:
    """The package. Raises UserError if it is not installed."""
    try:
        import wandb
    except ImportError as error:
        message = f"--use_wandb needs the wandb package ({error}): `pip install wandb`, or leave out --use_wandb."
        raise UserError(message) from error
    return wandb


class WandbLog:
    """One wandb run. A loss and a picture may have the same name (idt_A), so each kind has its own prefix.

    wandb drops what is logged at an earlier step than the last: `total_iters` must not decrease.
    """

    def __init__(self, run: Any, make_image: Callable[..., Any]):
        self._run = run
        self._make_image = make_image

    def log_losses(self, total_iters: int, losses: dict[str, float]) -> None:
        """Add one point to each curve `losses/<name>`. total_iters: training images seen so far."""
        self._run.log({f"losses/{name}": value for name, value in losses.items()}, step=total_iters)

    def log_validation(self, total_iters: int, metrics: Mapping[str, float]) -> None:
        """Add one point to each curve `validation/<name>`."""
        self._run.log({f"validation/{name}": value for name, value in metrics.items()}, step=total_iters)

    def log_images(self, total_iters: int, epoch: int, images: dict[str, np.ndarray]) -> None:
        """Log pictures as `images/<label>`, captioned with their epoch. images: label -> uint8 (H, W, 3)."""
        caption = f"epoch {epoch}"
        pictures = {f"images/{label}": self._make_image(image, caption=caption) for label, image in images.items()}
        self._run.log(pictures, step=total_iters)

    def close(self) -> None:
        """Send what waits and end the run."""
        self._run.finish()
