"""A network as nodes that compute any region of their own image: what a region needs, and its values."""
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiles.statistics import Statistics

Span = tuple[int, int]
"""From which row or column to before which."""

Region = tuple[Span, Span]
"""(rows, columns) of a node's own image."""


def length(span: Span) -> int:
    return max(span[1] - span[0], 0)


def union(one: Span, other: Span) -> Span:
    """The smallest span that holds both; an empty one holds nothing."""
    if not length(one) or not length(other):
        return one if length(one) else other
    return min(one[0], other[0]), max(one[1], other[1])


@dataclass(eq=False)
class Node:
    """An image that is made of those of `inputs`, which all have the same size.

    size: (height, width); name: where the layer stands in the network; macs: multiplications for each position that
    `counted` counts.
    """

    name: str
    inputs: tuple["Node", ...]
    channels: int
    size: tuple[int, int]
    macs: int = 0

    def needs(self, axis: int, span: Span) -> Span:
        """What a span of this image needs of the inputs, along an axis: 0 for rows, 1 for columns."""
        return span

    def counted(self, axis: int, span: Span) -> int:
        """How many positions its multiplications are counted by, along an axis."""
        return length(span)

    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        """The values of a region, (1, channels, h, w). parts: what it needs of each input, no more."""
        raise NotImplementedError


class Source(Node):
    """The picture itself."""


@dataclass(eq=False)
class Elementwise(Node):
    """An activation."""

    layer: Any = None  # nn.ReLU, nn.LeakyReLU or nn.Tanh
    in_place: bool = False  # as nobody else looks at its input

    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        x = parts[0]
        if isinstance(self.layer, nn.Tanh):
            return x.tanh_() if self.in_place else x.tanh()
        slope = self.layer.negative_slope if isinstance(self.layer, nn.LeakyReLU) else 0.0
        return F.leaky_relu(x, slope, self.in_place)


@dataclass(eq=False)
class Dropout(Node):
    """Zeros with probability `share`; the others are scaled, so that the mean stays.

    The noise is drawn for blocks of BLOCK x BLOCK positions, each from a generator that is seeded with `seed`, the
    layer and the place of the block: it does not depend on the region, nor on the device.
    """

    share: float = 0.5
    seed: int = 0
    BLOCK = 32

    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        rows, columns = (range(start // self.BLOCK, (stop - 1) // self.BLOCK + 1) for start, stop in region)
        kept = torch.cat([torch.cat([self._block(row, column) for column in columns], 2) for row in rows], 1)
        for axis, blocks in enumerate((rows, columns)):
            kept = kept.narrow(1 + axis, region[axis][0] - blocks[0] * self.BLOCK, length(region[axis]))
        return parts[0] * kept[None].to(parts[0]) / (1 - self.share)

    def _block(self, row: int, column: int) -> Tensor:
        """Which values of a block are kept, (channels, BLOCK, BLOCK)."""
        seed = random.Random(f"{self.seed} {self.name} {row} {column}").getrandbits(63)
        kept = torch.empty(self.channels, self.BLOCK, self.BLOCK, dtype=torch.bool)
        return kept.bernoulli_(1 - self.share, generator=torch.Generator().manual_seed(seed))


class Add(Node):
    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        return parts[0] + parts[1]


class Cat(Node):
    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        return torch.cat(list(parts), 1)


@dataclass(eq=False)
class Pad(Node):
    """Reflection at the borders of the whole image; inside of it nothing is copied.

    before: rows above it, columns to its left.
    """

    before: tuple[int, int] = (0, 0)

    def _sources(self, axis: int, span: Span) -> Tensor:
        """Which rows or columns of the input those of `span` show."""
        last = self.inputs[0].size[axis] - 1
        place = (torch.arange(*span) - self.before[axis]).abs()
        return last - (last - place).abs()

    def needs(self, axis: int, span: Span) -> Span:
        if not length(span):
            return (0, 0)
        first, stop = (edge - self.before[axis] for edge in span)
        if first >= 0 and stop <= self.inputs[0].size[axis]:
            return first, stop
        sources = self._sources(axis, span)
        return int(sources.min()), int(sources.max()) + 1

    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        values, pads = parts[0], []  # left, right, top, bottom
        for axis in (1, 0):
            (begin, end), (first, stop) = region[axis], self.needs(axis, region[axis])
            begin, end = begin - self.before[axis], end - self.before[axis]
            if (first, stop) == (max(begin, 0), min(end, self.inputs[0].size[axis])):
                pads += [first - begin, end - stop]
            else:  # the part is smaller than its reflection
                sources = self._sources(axis, region[axis]) - first
                values = values.index_select(2 + axis, sources.to(values.device))
                pads += [0, 0]
        return F.pad(values, pads, mode="reflect") if any(pads) else values


@dataclass(eq=False)
class Convolution(Node):
    """A convolution, padded with zeros at the borders of the whole image and nowhere else."""

    layer: Any = None  # nn.Conv2d
    bias: Tensor | None = None

    def _reaches(self, axis: int, span: Span) -> Span:
        """What its kernel covers of the input, beyond the borders too."""
        layer, (start, stop) = self.layer, span
        begin = start * layer.stride[axis] - layer.padding[axis]
        return begin, begin + (stop - start - 1) * layer.stride[axis] + layer.dilation[axis] * (
            layer.kernel_size[axis] - 1) + 1

    def needs(self, axis: int, span: Span) -> Span:
        if not length(span):
            return (0, 0)
        begin, end = self._reaches(axis, span)
        return max(begin, 0), min(end, self.inputs[0].size[axis])

    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        zeros = []  # left, right, top, bottom
        for axis in (1, 0):
            (begin, end), (first, last) = self._reaches(axis, region[axis]), self.needs(axis, region[axis])
            zeros += [first - begin, end - last]
        values = F.pad(parts[0], zeros) if any(zeros) else parts[0]
        layer = self.layer
        return F.conv2d(values, layer.weight, self.bias, layer.stride, 0, layer.dilation, layer.groups)


@dataclass(eq=False)
class TransposedConvolution(Node):
    layer: Any = None  # nn.ConvTranspose2d
    bias: Tensor | None = None

    def needs(self, axis: int, span: Span) -> Span:
        if not length(span):
            return (0, 0)
        stride, padding, kernel = (of[axis] for of in (self.layer.stride, self.layer.padding, self.layer.kernel_size))
        first = -((kernel - 1 - span[0] - padding) // stride)  # rounded up
        last = (span[1] - 1 + padding) // stride
        return max(first, 0), min(last + 1, self.inputs[0].size[axis])

    def counted(self, axis: int, span: Span) -> int:
        return length(self.needs(axis, span))

    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        layer = self.layer
        made = F.conv_transpose2d(parts[0], layer.weight, self.bias, layer.stride, 0, 0, layer.groups)
        for axis, span in enumerate(region):
            begin = self.needs(axis, span)[0] * layer.stride[axis] - layer.padding[axis]
            made = made.narrow(2 + axis, span[0] - begin, length(span))
        return made


@dataclass(eq=False)
class Norm(Node):
    """(x - mean) / sqrt(variance + eps), weighted where the layer is. The statistics are set when they are known.

    mean, variance: (C,), those of the whole input, or those that the layer has learned.
    """

    layer: Any = None  # nn.Module, an instance or a batch norm
    mean: Tensor | None = None
    variance: Tensor | None = None

    def know(self, statistics: Statistics) -> None:
        self.mean, self.variance = statistics.mean, statistics.variance

    def compute(self, parts: Sequence[Tensor], region: Region) -> Tensor:
        assert self.mean is not None and self.variance is not None
        x, layer = parts[0], self.layer
        mean, variance = (values.to(x.device, torch.float32) for values in (self.mean, self.variance))
        return F.batch_norm(x, mean, variance, layer.weight, layer.bias, training=False, eps=layer.eps)


class Graph:
    """nodes: each behind its inputs, the source first and the result last; measured: the norms without statistics."""

    def __init__(self, nodes: list[Node]):
        self.nodes, self.source, self.result = nodes, nodes[0], nodes[-1]
        self.measured = [node for node in nodes if isinstance(node, Norm) and node.mean is None]
        used = [x for node in nodes for x in node.inputs]
        for node in nodes:
            if isinstance(node, Elementwise):
                node.in_place = used.count(node.inputs[0]) == 1 and node.inputs[0] is not self.source

    @property
    def multiple(self) -> int:
        """Of what the sides of a picture are multiples: how much smaller the smallest image is."""
        return math.prod(node.layer.stride[0] for node in self.nodes if isinstance(node, Convolution))
