"""From a generator to the graph of its layers, each with the size that it has for one picture."""
from typing import Any

from torch import nn

from networks.fast_layers import FollowedPad2d, SampleNorm2d
from networks.generators import ResnetBlock, ResnetGenerator, UnetBlock, UnetGenerator, UnetOuterBlock
from networks.layers import SyncBatchNorm
from networks.ways import BiaslessConv2d, BiaslessConvTranspose2d, TunedConv2d, TunedConvTranspose2d
from tiles.nodes import (
    Add,
    Cat,
    Convolution,
    Dropout,
    Elementwise,
    Graph,
    Node,
    Norm,
    Pad,
    Source,
    TransposedConvolution,
)
from util.errors import UserError

CONVOLUTIONS = (nn.Conv2d, TunedConv2d, BiaslessConv2d)
TRANSPOSED = (nn.ConvTranspose2d, TunedConvTranspose2d, BiaslessConvTranspose2d)
NORMS = (nn.InstanceNorm2d, SampleNorm2d, nn.BatchNorm2d, SyncBatchNorm)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.Tanh)


def unfold(net: nn.Module, size: tuple[int, int], seed: int = 0) -> Graph:
    """The graph of a generator for a picture of (height, width), in the mode, training or not, that the net is in.

    seed: of the noise of dropout. UserError when the net has layers that are not known here, or cannot have pictures of
    that size.
    """
    first = next((layer for layer in net.modules() if isinstance(layer, nn.Conv2d)), None)
    if first is None:
        raise _unknown(net)
    unfolding = _Unfolding(size, first.in_channels, seed)
    unfolding.append(net, "")
    if any(x.size != node.size for node in unfolding.nodes if isinstance(node, (Add, Cat)) for x in node.inputs) or (
            unfolding.nodes[-1].size != size):
        raise UserError(f"a picture of {size[1]}x{size[0]} pixels does not fit the network, whose sizes are halved and "
                        "doubled; pad it to a multiple of what the network takes")
    return Graph(unfolding.nodes)


class _Unfolding:
    """nodes: those made up to now; what is appended next comes behind the last one."""

    def __init__(self, size: tuple[int, int], channels: int, seed: int):
        self.seed = seed
        self.nodes: list[Node] = [Source("picture", (), channels, size)]

    def append(self, layer: nn.Module, name: str) -> None:
        """The nodes of a layer, or of a group of layers. name: where it stands in the network."""
        kind, x = type(layer), self.nodes[-1]
        if kind in (ResnetGenerator, UnetGenerator, UnetOuterBlock):
            self.append(layer.get_submodule("model"), f"{name}.model".lstrip("."))
        elif isinstance(layer, nn.Sequential):
            for place, part in enumerate(layer):
                self.append(part, f"{name}.{place}")
        elif isinstance(layer, ResnetBlock):
            self.append(layer.conv_block, f"{name}.conv_block")
            self.nodes.append(Add(name, (x, self.nodes[-1]), x.channels, x.size))
        elif isinstance(layer, UnetBlock):
            self.append(layer.model, f"{name}.model")
            if layer.skip:
                y = self.nodes[-1]
                self.nodes.append(Cat(name, (x, y), x.channels + y.channels, x.size))
        elif kind is nn.Identity or (isinstance(layer, nn.Dropout) and not layer.training):
            pass
        else:
            self.nodes.append(self._node(layer, name, x))

    def _node(self, layer: Any, name: str, x: Node) -> Node:
        kind, same = type(layer), (name, (x,), x.channels, x.size)
        if kind in CONVOLUTIONS and layer.padding_mode == "zeros":
            bias = None if kind is BiaslessConv2d else layer.bias
            return Convolution(name, (x,), layer.out_channels, _size(layer, x), layer.weight.numel(), layer, bias)
        if kind in TRANSPOSED:
            bias = None if kind is BiaslessConvTranspose2d else layer.bias
            return TransposedConvolution(name, (x,), layer.out_channels, _size(layer, x), layer.weight.numel(), layer,
                                         bias)
        if kind in NORMS:
            learned = layer.running_mean is not None and not layer.training
            return Norm(*same, 0, layer, *((layer.running_mean, layer.running_var) if learned else ()))
        if kind in ACTIVATIONS:
            return Elementwise(*same, 0, layer)
        if kind is nn.Dropout:
            return Dropout(*same, 0, layer.p, self.seed)
        if kind in (nn.ReflectionPad2d, FollowedPad2d):
            left, right, top, bottom = layer.padding
            if max(left, right) >= x.size[1] or max(top, bottom) >= x.size[0]:
                raise _too_small(x)
            size = x.size[0] + top + bottom, x.size[1] + left + right
            return Pad(name, (x,), x.channels, size, 0, (top, left))
        raise _unknown(layer)


def _size(layer: nn.Conv2d | nn.ConvTranspose2d, x: Node) -> tuple[int, int]:
    """(height, width) of what a convolution makes of x."""
    made = []
    for axis, n in enumerate(x.size):
        kernel, stride, padding = layer.kernel_size[axis], layer.stride[axis], int(layer.padding[axis])
        if isinstance(layer, nn.ConvTranspose2d):
            made.append((n - 1) * stride - 2 * padding + kernel + layer.output_padding[axis])
        else:
            made.append((n + 2 * padding - layer.dilation[axis] * (kernel - 1) - 1) // stride + 1)
    if min(made) < 1:
        raise _too_small(x)
    return made[0], made[1]


def _too_small(x: Node) -> UserError:
    return UserError(f"the picture is too small for the network: {x.size[1]}x{x.size[0]} are left of it at {x.name}; "
                     "give a larger one")


def _unknown(layer: nn.Module) -> UserError:
    return UserError(f"the network has a layer {type(layer).__name__}, and only the layers of ResnetGenerator and "
                     "UnetGenerator can be computed by tiles; leave out --tile")
