"""Weights that let rounding grow: the fast layers are as near to the exact outputs as the plain ones.

Large weights without a norm, or under batch norm with small trained variances, multiply what is in front of them, its
rounding too. So two ways of the same mathematics agree in double precision, and in fp32 as far as fp32 itself is right.
"""
import copy

import pytest
import torch
from torch import Tensor, nn

from networks.fast_layers import accelerate
from networks.generators import GENERATORS


def unusual(name: str, norm: str, scale: float) -> nn.Module:
    """A generator with normal weights of 0.02 * scale; batch norms have seen variances from 0.01 to 1."""
    torch.manual_seed(0)
    net = GENERATORS[name].build(3, 3, 8, norm, False)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 0.02 * scale)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.02 * scale)
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1 * scale)
            module.running_var.uniform_(0.01, 1)
    return net


def faster(net: nn.Module) -> nn.Module:
    return accelerate(copy.deepcopy(net)).to(memory_format=torch.channels_last)


def error(found: Tensor, exact: Tensor) -> float:
    return (found - exact).abs().max().item()


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name, norm, scale", [
    ("resnet_6blocks", "instance", 3), ("resnet_6blocks", "batch", 3), ("unet_128", "batch", 3),
    ("unet_128", "instance", 10), ("unet_128", "none", 10)])
def test_the_fast_layers_round_like_the_plain_ones(name: str, norm: str, scale: float, training: bool):
    net = unusual(name, norm, scale).train(training)
    x = torch.rand(2, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        double = copy.deepcopy(net).double()
        exact = copy.deepcopy(double)(x.double())
        assert error(faster(double)(x.double()), exact) < 1e-9  # found: 2e-11
        fast, plain = faster(net)(x), copy.deepcopy(net)(x)
    assert exact.std() > 0.05  # not a constant that hides errors
    assert error(fast, exact) < 10 * error(plain, exact) + 1e-6
    if norm == "instance" or (norm == "batch" and training):
        assert error(fast, exact) < 1e-4  # each layer is brought back to scale; found: 1e-5 to 4e-5
