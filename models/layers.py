"""Normalisation layers and weight initialisation by name."""
from collections.abc import Callable

from torch import nn

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": nn.InstanceNorm2d,  # neither affine nor tracking statistics: torch's defaults
    "syncbatch": nn.SyncBatchNorm,
    "none": lambda channels: nn.Identity(),
}


def needs_bias(norm: str) -> bool:
    """Whether the convolution in front of a `norm` layer carries a bias.

    Only with instance norm: the others bring a shift of their own or, for 'none', follow the classic weight files.
    """
    return norm == "instance"


INITS: dict[str, Callable] = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain=gain),
    "kaiming": lambda weight, gain: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain=gain),
}


def init_weights(net: nn.Module, init_type: str = "normal", init_gain: float = 0.02) -> nn.Module:
    """Initialise in place and return `net`.

    Convolutions and linear layers: `init_type` with `init_gain` (kaiming takes no gain), biases 0.
    Affine batch norms: weight N(1, init_gain), bias 0.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            INITS[init_type](module.weight, init_gain)
        elif isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)):
            nn.init.normal_(module.weight, 1.0, init_gain)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return net
