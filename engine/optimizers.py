"""One Adam for each set of networks that learn together."""
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from models.contract import Update


class Optimizers:
    """Adam (Kingma and Ba 2015) for each set of networks that the updates name, used as often as the set appears."""

    def __init__(self, updates: Sequence[Update], nets: nn.ModuleDict, lr: float, beta1: float, fused: bool,
                 rate_on: torch.device | None = None):
        """fused: torch's fast kernel. rate_on: the device that keeps the rate, for steps that are recorded there.

        TypeError, a programming error, when updates of the same networks ask for different rates or betas, or when
        different updates share a name.
        """
        self.updates = tuple(updates)
        self._refuse_contradictions()
        self.of: dict[tuple[str, ...], Adam] = {}
        self.factors: dict[tuple[str, ...], float] = {}
        for update in self.updates:
            if update.nets not in self.of:
                rate = lr * update.lr_factor
                self.factors[update.nets] = update.lr_factor
                parameters = [parameter for name in update.nets for parameter in nets[name].parameters()]
                self.of[update.nets] = Adam(
                    list(dict.fromkeys(parameters)),  # networks may share layers
                    rate if rate_on is None else torch.tensor(rate, device=rate_on),
                    (beta1 if update.beta1 is None else update.beta1, update.beta2),
                    fused=fused or None, capturable=rate_on is not None)

    def _refuse_contradictions(self) -> None:
        for update in self.updates:
            for other in self.updates:
                if update.name == other.name and update != other:
                    raise TypeError(f"two different updates are called {update.name!r}; give each a name of its own")
                if set(update.nets) == set(other.nets) and update.nets != other.nets:
                    raise TypeError(f"the updates {update.name!r} and {other.name!r} name the same networks in another "
                                    f"order; one Adam serves both: write {', '.join(other.nets)} in both")
                asked = [(one.lr_factor, one.beta1, one.beta2) for one in (update, other)]
                if update.nets == other.nets and asked[0] != asked[1]:
                    raise TypeError(f"the updates {update.name!r} and {other.name!r} of the same networks "
                                    f"({', '.join(update.nets)}) ask for different rates or betas")

    def set_lr(self, lr: float) -> None:
        """The learning rate of all optimizers from now on, each times the factor of its update."""
        for nets, optimizer in self.of.items():
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):  # a recorded step reads it there
                    group["lr"].fill_(lr * self.factors[nets])
                else:
                    group["lr"] = lr * self.factors[nets]

    def state(self) -> list[dict[str, Any]]:
        """The moments and steps of each, in the order in which the updates name them."""
        return [optimizer.state_dict() for optimizer in self.of.values()]

    def load_state(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Restore what `state` gave; how an optimizer computes stays, and memory keeps the layout of the weights.

        The moments leave `states`, so that those of a file are not held beside the copies of all.
        """
        for optimizer, saved in zip(self.of.values(), states, strict=True):
            optimizer.load_state_dict({**saved, "param_groups": optimizer.state_dict()["param_groups"]})
            saved["state"].clear()
            for parameter, moments in optimizer.state.items():
                for name, value in moments.items():
                    if value.shape == parameter.shape:
                        moments[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def gradients_of(optimizer: Adam) -> list[Tensor]:
    """The gradients that there are of its parameters."""
    return [parameter.grad for group in optimizer.param_groups for parameter in group["params"]
            if parameter.grad is not None]


def learn(optimizer: Adam, finite: Tensor) -> None:
    """One step of the optimizer if `finite`, a boolean scalar, is true: decided on the device where it can."""
    if optimizer.defaults["fused"]:
        # how torch tells a fused optimizer
        optimizer.grad_scale, optimizer.found_inf = None, (~finite).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif finite:
        optimizer.step()
