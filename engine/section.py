"""A training step in pieces: what the device does without asking the host, and what has come of it so far."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor

from models.contract import Images, Losses, Update


@dataclass(frozen=True)
class Section:
    """Updates between which the device need not ask the host. recall: see models.contract.Update."""

    updates: tuple[Update, ...]
    recall: Callable[[Images, Generator], Images] | None


def sections(updates: Sequence[Update]) -> tuple[Section, ...]:
    """The updates in as few sections as their `recall` allows. TypeError, a programming error, if the first has one."""
    if updates and updates[0].recall:
        raise TypeError("the first update cannot recall: there are no images yet. Model.draw comes before it")
    begins = [0] + [number for number, update in enumerate(updates) if number and update.recall]
    return tuple(Section(tuple(updates[begin:end]), updates[begin].recall)
                 for begin, end in zip(begins, [*begins[1:], len(updates)], strict=True))


@dataclass(frozen=True)
class Work:
    """What a step has made so far. images: of each batch; losses: averaged over the samples of all batches.

    finite: a boolean scalar on the device, whether all losses and gradients so far are finite in all processes.
    """

    finite: Tensor
    images: tuple[Images, ...] = ()
    losses: Losses = field(default_factory=dict)

    @classmethod
    def begin(cls, device: torch.device) -> "Work":
        """Nothing yet."""
        return cls(torch.ones((), dtype=torch.bool, device=device))

    def remembering(self, recalled: Sequence[Images]) -> "Work":
        """The same with more images of each batch."""
        return replace(self, images=tuple({**made, **more} for made, more in zip(self.images, recalled, strict=True)))

    def after(self, images: Sequence[Images], losses: Mapping[str, Tensor], finite: Tensor) -> "Work":
        """What there is after one more update; an update that is repeated in a step tells its newest losses."""
        return Work(finite, tuple(images), {**self.losses, **losses})
