"""Running means of networks, which move less than what they follow."""
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def averaged_copy(net: nn.Module) -> nn.Module:
    """A copy of `net` to keep its mean in: eval mode, no gradients, the same names."""
    return deepcopy(net).requires_grad_(False).eval()


@torch.no_grad()
def follow(mean: nn.Module, net: nn.Module, decay: float, counted: Tensor) -> None:
    """mean <- decay * mean + (1 - decay) * weights if `counted`, a boolean scalar, is true.

    Decided on the device, so that it can be a part of a recorded step; what did not count is not even looked at.
    """
    means = list(mean.parameters())
    weights = [weight.where(counted, own) for weight, own in zip(net.parameters(), means, strict=True)]
    get_ema_multi_avg_fn(decay)(means, weights, 0)


@torch.no_grad()
def copy_buffers(mean: nn.Module, net: nn.Module) -> None:
    """Statistics are not averaged: those of `mean` are the network's newest."""
    for buffer, newest in zip(mean.buffers(), net.buffers(), strict=True):
        buffer.copy_(newest)


@contextmanager
def means_in_place(nets: nn.ModuleDict, means: nn.ModuleDict) -> Iterator[None]:
    """Within it the `means` stand in `nets` under the names of the networks that they follow."""
    followed = {name: nets[name] for name in means}
    nets.update(dict(means.items()))
    try:
        yield
    finally:
        nets.update(followed)
