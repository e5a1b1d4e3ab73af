"""What the engine and the runs know of a model: the words that they share with it."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Batch = Mapping[str, Any]
"""What a dataset gives: 'A' (B, C, H, W) in [-1, 1], the source; 'B' the target; 'A_paths', 'B_paths'."""
Images = dict[str, Tensor]
"""Named images, each (B, C, H, W) in [-1, 1]."""
Losses = dict[str, Tensor]
"""Named scalars, already weighted: their sum is the objective."""


@dataclass(frozen=True)
class Update:
    """One optimizer step: the named `nets` learn from scale * sum(losses(images)); all others are frozen.

    recall: more images for the losses, from a memory of earlier steps. It decides at random on the host, so that it is never
    part of a recorded step; the losses are. Not for the first update.
    """

    nets: tuple[str, ...]
    losses: Callable[[Images], Losses]
    scale: float = 1.0
    recall: Callable[[Images], Images] | None = None


@dataclass(frozen=True)
class Translation:
    """One direction of a model: names of images, and of losses. paired: the target belongs to the source."""

    source: str
    fake: str
    target: str
    paired: bool
    G: str = ""  # the generator's adversarial term; '' when there is none
    D: tuple[str, ...] = ()  # the discriminator's terms
