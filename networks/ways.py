"""The ways to compute a convolution, all of the same mathematics; engine/autotune.py keeps the fastest on a machine.

A way is a function (layer, x, bias) -> y. `Ways` tells a network's layers which one to take; without it each takes
torch's own.
"""
import math
from collections.abc import Callable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.reflected import reflect, reflected_conv2d
from networks.unrolled import unrolled_convolution
from networks.winograd import winograd_conv2d

Convolution = nn.Conv2d | nn.ConvTranspose2d
Size = tuple[int, int, int]
"""Samples, height and width of what goes into a layer."""

DIRECT = "direct"
FARTHEST = 4  # times the pixels, or a part of them: so far a way that was found at one size is taken at another
LARGEST_UNROLLED, FEWEST_UNROLLED = 4, 16  # of a kernel, and channels: else what it sees is too much to be laid out
SMALL = 256  # pixels of a sample: only deep layers of small images are worth being spread out for one product


def reflection(layer: Convolution) -> int:
    """How many pixels a layer reflects at the edges of what goes in, before it convolves."""
    return layer.reflection if isinstance(layer, TunedConv2d) else 0


def direct(layer: Convolution, x: Tensor, bias: Tensor | None) -> Tensor:
    """torch's own."""
    if isinstance(layer, nn.ConvTranspose2d):
        return F.conv_transpose2d(x, layer.weight, bias, layer.stride, cast(tuple[int, int], layer.padding),
                                  cast(tuple[int, int], layer.output_padding), layer.groups, layer.dilation)
    return F.conv2d(x, layer.weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def matmul(layer: Convolution, x: Tensor, bias: Tensor | None) -> Tensor:
    """One product of matrices, of the weights as they lie in memory with what each place of the kernel sees."""
    kernel, stride, padding = layer.kernel_size, layer.stride, cast(tuple[int, int], layer.padding)
    rows, columns = output_size(layer, (x.shape[2], x.shape[3]))
    if isinstance(layer, nn.ConvTranspose2d):
        y = F.fold(layer.weight.flatten(1).t() @ x.flatten(2), (rows, columns), kernel, padding=padding, stride=stride)
    else:
        seen = F.unfold(x, kernel, padding=padding, stride=stride)
        y = (layer.weight.flatten(1) @ seen).view(len(x), layer.out_channels, rows, columns)
    return y if bias is None else y + bias[:, None, None]


def _winograd(tile: int) -> Callable[[Convolution, Tensor, Tensor | None], Tensor]:
    return lambda layer, x, bias: winograd_conv2d(x, layer.weight, bias, cast(tuple[int, int], layer.padding)[0], tile,
                                                  reflection(layer))


def unrolled(layer: Convolution, x: Tensor, bias: Tensor | None) -> Tensor:
    """torch's own, but for the weights' gradient."""
    padding, output_padding = cast(tuple[int, int], layer.padding), cast(tuple[int, int], layer.output_padding)
    return unrolled_convolution(x, layer.weight, bias, layer.stride[0], padding[0],
                                output_padding[0] if isinstance(layer, nn.ConvTranspose2d) else None)


WAYS: dict[str, Callable[[Convolution, Tensor, Tensor | None], Tensor]] = {
    DIRECT: direct, "winograd4": _winograd(4), "winograd2": _winograd(2), "matmul": matmul,
    "unrolled": unrolled}
REFLECTING = "winograd4", "winograd2"
"""Ways that reflect by themselves."""
IN_16_BITS = DIRECT, "matmul"
"""Ways for which autocast makes the weights 16 bits too."""


def candidates(layer: nn.Module, size: Size, layout: torch.memory_format, sixteen_bits: bool, learns: bool
               ) -> list[str]:
    """The ways that a layer has for an input of that size, in a network of that layout; torch's own is the first.

    learns: whether gradients of its weights are wanted. Matrices are made of the contiguous layout, but those of
    weights' gradients of channels_last. In 16 bits Winograd's sums lose too much.
    """
    found = [DIRECT]
    if not (isinstance(layer, TUNED) and layer.groups == 1 and set(layer.dilation) == {1}):
        return found
    square = all(len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.padding, layer.output_padding))
    if (square and layer.kernel_size == (3, 3) and layer.stride == (1, 1) and isinstance(layer, nn.Conv2d)
            and not sixteen_bits):
        found += ["winograd4", "winograd2"]
    elif (square and learns and layout == torch.channels_last and layer.kernel_size[0] <= LARGEST_UNROLLED
            and min(layer.in_channels, layer.out_channels) >= FEWEST_UNROLLED and not sixteen_bits):
        found.append("unrolled")
    if layout == torch.contiguous_format and size[1] * size[2] <= SMALL:
        found.append("matmul")
    return found


def output_size(layer: Convolution, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of what comes out where (height, width) goes in, any reflection included."""
    made = []
    for axis, side in enumerate(size):
        kernel, stride = layer.kernel_size[axis], layer.stride[axis]
        padding = cast(tuple[int, int], layer.padding)[axis]
        if isinstance(layer, nn.ConvTranspose2d):
            made.append((side - 1) * stride - 2 * padding + kernel + cast(tuple[int, int], layer.output_padding)[axis])
        else:
            made.append((side + 2 * padding - kernel) // stride + 1)
    return made[0], made[1]


def kind(layer: Convolution) -> str:
    """What decides how a convolution is computed, beside the size of its input, in words."""
    name = "transposed" if isinstance(layer, nn.ConvTranspose2d) else "conv"
    kernel = "x".join(map(str, layer.kernel_size))
    reflected = f" reflect {reflection(layer)}" if reflection(layer) else ""
    return (f"{name} {layer.in_channels}>{layer.out_channels} {kernel} stride {layer.stride[0]} pad {layer.padding[0]}"
            f"{reflected}")


def wanted(layer: nn.Module, x: Tensor) -> tuple[bool, bool]:
    """Whether gradients are to be computed of the input, and of the weights."""
    if not torch.is_grad_enabled():
        return False, False
    return x.requires_grad, any(parameter.requires_grad for parameter in layer.parameters(recurse=False))


def described(layer: Convolution, gradients: tuple[bool, bool]) -> str:
    """`kind`, and which gradients are wanted."""
    return kind(layer) + "".join(f", {word}" for word, there in zip(("dx", "dw"), gradients, strict=True) if there)


class Ways:
    """Which way each layer of a network takes. chosen: by what `described` says, then by size, as '1x64x64'.

    A size that was not raced takes the way of the nearest one, by pixels in all, unless that is FARTHEST.
    """

    def __init__(self, chosen: Mapping[str, Mapping[str, str]]):
        self.chosen = {text: {math.prod(map(int, size.split("x"))): way for size, way in sizes.items()}
                       for text, sizes in chosen.items()}
        self.exact = {(text, tuple(map(int, size.split("x")))): way
                      for text, sizes in chosen.items() for size, way in sizes.items()}

    def of(self, layer: Convolution, x: Tensor) -> str:
        """The way for this input."""
        text, size = described(layer, wanted(layer, x)), (len(x), x.shape[2], x.shape[3])
        if (text, size) not in self.exact:
            self.exact[text, size] = self._nearest(text, math.prod(size))
        return self.exact[text, size]

    def _nearest(self, text: str, pixels: int) -> str:
        far = {abs(math.log(raced / pixels)): way for raced, way in self.chosen.get(text, {}).items()}
        return far[min(far)] if far and min(far) <= math.log(FARTHEST) else DIRECT


class TunedConv2d(nn.Conv2d):
    """A convolution that can be computed in several ways.

    reflection: pixels that it reflects at the edges of what goes in, in place of a ReflectionPad2d in front of it.
    """

    ways: Ways | None = None
    reflection = 0

    def forward(self, x: Tensor) -> Tensor:
        return _convolved(self, x, self.bias)


class TunedConvTranspose2d(nn.ConvTranspose2d):
    """The same for a transposed convolution."""

    ways: Ways | None = None

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _convolved(self, input, self.bias)


class BiaslessConv2d(TunedConv2d):
    """A convolution in front of an instance norm, which subtracts whatever a bias adds: it is kept, not computed."""

    def forward(self, x: Tensor) -> Tensor:
        return _convolved(self, x, None)


class BiaslessConvTranspose2d(TunedConvTranspose2d):
    """The same for a transposed convolution."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _convolved(self, input, None)


TUNED = (TunedConv2d, TunedConvTranspose2d)


def _convolved(layer: TunedConv2d | TunedConvTranspose2d, x: Tensor, bias: Tensor | None) -> Tensor:
    way, pixels = DIRECT if layer.ways is None else layer.ways.of(layer, x), reflection(layer)
    sixteen_bits = torch.is_autocast_enabled(x.device.type)
    if sixteen_bits and way not in IN_16_BITS:  # chosen for 32 bits, before a training went on in 16
        way = DIRECT
    large = layer.in_channels > layer.out_channels  # of what is kept for gradients most goes into the layer
    if pixels and large and way == DIRECT and not sixteen_bits:
        return reflected_conv2d(x, layer.weight, bias, pixels)
    return WAYS[way](layer, x if way in REFLECTING else reflect(x, pixels), bias)


def take_ways(net: nn.Module, ways: Ways | None) -> None:
    """Let the layers of a network take these ways; None: torch's own."""
    for layer in net.modules():
        if isinstance(layer, TUNED):
            layer.ways = ways
