"""Learning rates as pure functions: the factor on --lr in an epoch (counted from 1)."""
import math
from collections.abc import Sequence
from dataclasses import dataclass


def linear(epoch: int, n_epochs: int, n_epochs_decay: int) -> float:
    """1 for n_epochs, then straight down; 1 / (n_epochs_decay + 1) in the last epoch, so that it still trains."""
    return 1 - max(0, epoch - n_epochs) / (n_epochs_decay + 1)


def step(epoch: int, lr_decay_iters: int) -> float:
    """A tenth after each lr_decay_iters epochs."""
    return 0.1 ** ((epoch - 1) // lr_decay_iters)


def cosine(epoch: int, n_epochs: int, n_epochs_decay: int) -> float:
    """Half a cosine over all epochs, from 1 to just above 0 in the last epoch."""
    return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / (n_epochs + n_epochs_decay)))


def plateau(validation: Sequence[float], patience: int = 5, threshold: float = 0.01, drop: float = 0.2) -> float:
    """Falls to a fifth whenever `validation` (the values so far, lower is better) got no better for long.

    Better: below the best so far by more than the share `threshold` of it. Long: more than `patience` values.
    """
    factor, best, bad = 1.0, math.inf, 0
    for value in validation:
        if value < best * (1 - math.copysign(threshold, best)):
            best, bad = value, 0
        else:
            bad += 1
        if bad > patience:
            factor, bad = factor * drop, 0
    return factor


def lr_factor(policy: str, epoch: int, n_epochs: int, n_epochs_decay: int, lr_decay_iters: int,
              validation: Sequence[float] = ()) -> float:
    """The factor for `--lr_policy policy`; ValueError when there is no such policy."""
    if policy == "linear":
        return linear(epoch, n_epochs, n_epochs_decay)
    if policy == "step":
        return step(epoch, lr_decay_iters)
    if policy == "cosine":
        return cosine(epoch, n_epochs, n_epochs_decay)
    if policy == "plateau":
        return plateau(validation)
    raise ValueError(f"no learning rate policy {policy!r}")


@dataclass(frozen=True)
class Schedule:
    """How long a training is and which rate it has. lr: the initial rate; the others: as lr_factor takes them."""

    lr: float
    policy: str
    n_epochs: int
    n_epochs_decay: int
    lr_decay_iters: int

    @property
    def last_epoch(self) -> int:
        """The number of the last epoch, counted from 1."""
        return self.n_epochs + self.n_epochs_decay

    def rate(self, epoch: int, validation: Sequence[float] = ()) -> float:
        """The learning rate of an epoch. validation: the values so far, lower is better, for the policy plateau."""
        return self.lr * lr_factor(self.policy, epoch, self.n_epochs, self.n_epochs_decay, self.lr_decay_iters,
                                   validation)
