"""Networks that an update looks through and does not teach."""
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(nets: Iterable[nn.Module]) -> Iterator[None]:
    """No gradients are computed for the parameters of `nets`; those that were frozen before stay so."""
    learning = [parameter for net in nets for parameter in net.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
