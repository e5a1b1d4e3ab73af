"""The contract between a model and what trains it: networks by role, named images, updates with named losses.

The engine and the runs know models by this file alone; `models/base_model.py` adds the options, and a model of your own
begins there.
"""
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from networks.layers import same_statistics, samples_alone

Batch = Mapping[str, Any]
"""What a dataset gives: 'A' (B, C, H, W) in [-1, 1], the source; 'B' the target; 'A_paths', 'B_paths'; and what the
model's `draw` added."""
Images = Mapping[str, Tensor]
"""By name: images, (B, C, H, W) in [-1, 1], and whatever else losses need, such as inner features of a network."""
Losses = Mapping[str, Tensor]
"""Named scalars, already weighted: their sum is the objective."""
SIDES = {"A": "B", "B": "A"}


@dataclass(frozen=True)
class Update:
    """One optimizer step: the named `nets` learn from scale * sum(losses(images)); all other networks are frozen.

    Updates of the same nets share one Adam, so that an update may stand several times in a step (n_critic). Its rate is
    lr_factor * --lr (two time scales), its betas are beta1 (None: --beta1) and beta2.
    recall: more images for the losses, from a memory of earlier steps. It decides on the host, drawing from the
    generator that it is given, and so is never part of a recorded step; the losses are. Not for the first update, when
    there are no images yet: `Model.draw` comes before it.
    """

    name: str
    nets: tuple[str, ...]
    losses: Callable[[Images], Losses]
    scale: float = 1.0
    lr_factor: float = 1.0
    beta1: float | None = None
    beta2: float = 0.999
    recall: Callable[[Images, Generator], Images] | None = None


@dataclass(frozen=True)
class Translation:
    """One direction of a model: names of images, and of losses. paired: the target belongs to the source.

    remedies: what to try against a disease of this direction (see runs/health.py), by the disease's name.
    """

    source: str
    fake: str
    target: str
    paired: bool
    G: str = ""  # the generator's adversarial term; '' when there is none
    D: tuple[str, ...] = ()  # the discriminator's terms
    remedies: Mapping[str, str] | None = None


class ShownAs(NamedTuple):
    """What an image to show is like. values: the side, A or B, whose values it has; made_from: the side from whose file
    it was made."""

    values: str
    made_from: str


def without_gan(translations: Iterable[Translation]) -> tuple[Translation, ...]:
    """The same directions of a model that trains without adversarial losses."""
    return tuple(replace(translation, G="", D=()) for translation in translations)


class Clock:
    """Where the training is, as whole numbers on the device, which a recorded step reads anew each time."""

    def __init__(self, device: torch.device | None = None):
        self.epoch = torch.ones((), dtype=torch.int64, device=device)  # from 1
        self.images = torch.zeros((), dtype=torch.int64, device=device)  # done before this step, in all

    def set(self, epoch: int, images: int) -> None:
        """Tell the time of the next step."""
        self.epoch.fill_(epoch)
        self.images.fill_(images)


class Model(ABC):
    """Networks, what they make of a batch, and what they learn from.

    nets: the networks that are trained and saved, by name; frozen: helpers that are neither; averaged: running means of
    networks named in `averages`, kept by the engine. clock: see Clock.
    """

    averages: Mapping[str, float] = {}  # networks of which a running mean is kept: the share of the old at each update
    needs: tuple[str, ...] = ("A", "B")  # what it reads of a batch
    translations: tuple[Translation, ...] = ()  # its directions, watched over for the known diseases
    in_one_pass = True  # whether a generator makes the translation of an image alone, as --model test uses it
    merge = True  # whether several images of one network may be one pass

    def __init__(self) -> None:
        self.nets = nn.ModuleDict(self.generators())
        self.frozen = nn.ModuleDict()
        self.averaged = nn.ModuleDict()
        self.clock = Clock()

    @abstractmethod
    def generators(self) -> dict[str, nn.Module]:
        """The networks that translate, by name: all that test.py needs. `G_A` is saved as latest_net_G_A.pth."""

    def training_nets(self) -> dict[str, nn.Module]:
        """The networks that only training needs, and trains, by name: discriminators, encoders, heads."""
        return {}

    def frozen_nets(self) -> dict[str, nn.Module]:
        """Networks that losses look through, by name: never trained, always in eval mode, never saved."""
        return {}

    def prepare_training(self) -> None:
        """Make the model ready for training."""
        self.nets.update(self.training_nets())
        self.frozen.update(self.frozen_nets())
        self.frozen.requires_grad_(False).eval()

    def study(self, batches: Callable[[], Iterable[Batch]]) -> None:  # noqa: B027  most need no preparation
        """Learn from the training data what the frozen networks need, once, before the first step.

        batches: gives the training images, from the first on. What was learned belongs into `extra_state`.
        """

    def draw(self, batch: Batch, generator: Generator) -> Mapping[str, Tensor]:
        """What a step decides at random on the host, as tensors that join the batch: places, angles, coins.

        generator: to draw from, on the CPU. A recorded step repeats what the device did; only what comes in by the
        batch is new each time.
        """
        return {}

    @abstractmethod
    def translate(self, batch: Batch) -> Images:
        """Everything that the generators make of a batch, and the real images beside it."""

    def forward(self, batch: Batch) -> Images:
        """`translate`, and what only the losses need."""
        return self.translate(batch)

    @property
    @abstractmethod
    def updates(self) -> Sequence[Update]:
        """The optimizer steps of one training step, in order. The names of their losses are unique."""

    @abstractmethod
    def visuals(self, images: Images) -> Images:
        """The images to show, in order, each (B, C, H, W) in [-1, 1]."""

    def shown_as(self, label: str) -> ShownAs:
        """What the image of this label is like: which values its file is to have, and which file lent its place.

        As it stands, by the names that most models use: a fake_B has the values of B and was made from A, any other
        image whose label ends with A or B has the values of that side and was made from it.
        """
        side = "B" if label.removesuffix("_rgb").endswith("B") else "A"
        return ShownAs(side, SIDES[side] if label.startswith("fake") else side)

    def metrics(self, images: Images) -> Mapping[str, Tensor]:
        """How good a translation is: by name, (B,), a number for each sample that falls as it gets better.

        Measured on held-out images; without --best_metric the first one decides which epoch is best.
        """
        return {}

    def extra_state(self) -> dict[str, Any]:
        """What the model remembers beside its networks, to go on exactly: tensors, numbers, texts in dicts, lists."""
        return {}

    def load_extra_state(self, state: dict[str, Any]) -> None:  # noqa: B027  a model without memory needs none
        """Restore what `extra_state` gave."""

    def same_statistics(self) -> AbstractContextManager[None]:
        """Within it running statistics of batch norms stay, for images that are computed again."""
        return same_statistics(self.nets)

    @property
    def equilibria(self) -> Mapping[str, float]:
        """By name the value of a loss at the equilibrium of generators and discriminators, where theory knows it."""
        return {}

    @property
    def measures(self) -> bool:
        """Whether this model defines metrics."""
        return type(self).metrics is not Model.metrics

    @property
    def samples_alone(self) -> bool:
        """Whether the networks look at each sample of a batch by itself."""
        return samples_alone(self.nets)
