"""The module that is exported: values in, padding to what the network takes, the network, the crop back, values out."""
from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from data.colorization_dataset import lightness_and_colours
from exporting.ranges import ranges_of, require_known
from models.colorization_model import to_rgb
from models.network_options import image_sizes
from networks.fast_layers import SampleNorm2d
from networks.layers import SyncBatchNorm
from raster.value_range import ValueRange

if TYPE_CHECKING:
    from exporting.contract import Export


class PictureNorm(nn.Module):
    """The mean and variance of each picture by itself: an instance norm, or what a batch norm does in test.py without
    --eval.

    layout: of what comes out, in which dropout then draws the same noise as in test.py. Shapes: (N, C, H, W) -> (N, C,
    H, W).
    """

    def __init__(self, norm: SampleNorm2d | _BatchNorm, layout: torch.memory_format):
        super().__init__()
        self.weight, self.bias, self.eps, self.layout = norm.weight, norm.bias, norm.eps, layout

    def forward(self, x: Tensor) -> Tensor:
        normed = nn.functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
        return normed.contiguous(memory_format=self.layout)


class Lightness(nn.Module):
    """A generator of colours, which sees the lightness of an RGB picture, as one from RGB to RGB (N, 3, H, W)."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        lightness, _ = lightness_and_colours(x)
        return to_rgb(lightness, self.net(lightness))


class Half(nn.Module):
    """A net in 16 bits, fp16; what goes in and comes out has 32."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net.half()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.half()).float()


class Scaled(nn.Module):
    """Values in (N, C, H, W) to [-1, 1], through the net, and back to values; NaN, no data, is black to the net."""

    def __init__(self, net: nn.Module, given: ValueRange, made: ValueRange):
        super().__init__()
        self.net, self.given, self.made = net, given, made

    def forward(self, values: Tensor) -> Tensor:
        low, high = self.given.low, self.given.high
        unit = ((values - low) * (2 / (high - low)) - 1).clamp(-1, 1)
        made = self.net(torch.where(unit.isnan(), -1.0, unit))
        low, high = self.made.low, self.made.high
        return (made.clamp(-1, 1) + 1) * ((high - low) / 2) + low


class Pictures(nn.Module):
    """Pictures of bytes, (N, H, W, C), through a net of values."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        made = self.net(pictures.permute(0, 3, 1, 2).to(torch.float32))
        return made.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


class AnySize(nn.Module):
    """A net for pictures of any size: continued by reflection to the right and downwards, and the result cropped back.

    multiple, least: of the sides that the net takes, in pixels.
    """

    def __init__(self, net: nn.Module, multiple: int, least: int):
        super().__init__()
        self.net, self.multiple, self.fewest = net, multiple, -(-least // multiple)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (reflection(x, axis, self.multiple, self.fewest) for axis in (2, 3))
        made = self.net(x.index_select(2, rows).index_select(3, columns))
        # not a slice, whose strides torch.export would compare with those of a whole, and guard that they differ
        return made.index_select(2, places(x, x.shape[2])).index_select(3, places(x, x.shape[3]))


def reflection(x: Tensor, axis: int, multiple: int, fewest: int) -> Tensor:
    """Which of the pixels along an axis of `x` stands at each place of a side of the least multiple that holds them, as
    data/pixels.py's `mirrored`. fewest: times `multiple`. In tensors alone, so that a graph computes it for any length.
    """
    length: Any = x.shape[axis]
    blocks = (length + multiple - 1) // multiple
    # a traced length is a tensor, of torch.export it is a symbol
    blocks = blocks.clamp(min=fewest) if isinstance(blocks, Tensor) else torch.sym_max(blocks, fewest)
    period = (2 * places(x, length)[-1:]).clamp(min=1)
    around = places(x, blocks * multiple) % period
    return torch.minimum(around, period - around)


def places(x: Tensor, count: Any) -> Tensor:
    """0, 1, 2, ... on the device of `x`. In torch.arange a graph would keep the device on which it was captured."""
    return x.new_ones((count,), dtype=torch.int64).cumsum(0) - 1


def translation(export: Export) -> nn.Module:
    """The module for what the export was asked to take and give (--io), in the mode of test.py; its own copy."""
    options, opt = export.translator.options, export.translator.opt
    net: nn.Module = with_plain_norms(copy.deepcopy(export.net)).requires_grad_(False)
    if export.opt.precision == "fp16":
        net = Half(net)
    if opt.model == "colorization":
        net = Lightness(net)
    net = AnySize(net, *image_sizes(options, training=False))
    if export.opt.io != "unit":
        net = Scaled(net, *require_known(ranges_of(opt), export.opt.io))
    return Pictures(net) if export.opt.io == "uint8" else net


def example(export: Export) -> Tensor:
    """Something that may go in, of a size that says nothing about others: its sides differ, are padded, and have no
    side of 1 inside of the network.
    """
    multiple, _ = image_sizes(export.translator.options, training=False)
    height, width, channels = multiple + 37, 2 * multiple + 45, export.translator.preparing.channels
    if export.opt.io == "uint8":
        return torch.randint(0, 256, (2, height, width, channels), dtype=torch.uint8)
    return torch.rand(2, channels, height, width)


def dynamic_sizes(io: str) -> dict[int, Any]:
    """Which sides of what goes in are free, for torch.export."""
    return dict.fromkeys((0, 1, 2) if io == "uint8" else (0, 2, 3), torch.export.Dim.DYNAMIC)


def with_plain_norms(net: nn.Module) -> nn.Module:
    """Replace norms inside of `net` by layers that are the same for a batch of any size, and return it."""
    layout = (torch.channels_last if any(isinstance(part, nn.Conv2d) and _is_channels_last(part.weight)
                                         for part in net.modules()) else torch.contiguous_format)
    for parent in list(net.modules()):
        for name, part in list(parent._modules.items()):  # named_children would name a shared layer once
            if isinstance(part, SampleNorm2d) or (isinstance(part, _BatchNorm) and part.training):
                setattr(parent, name, PictureNorm(part, layout))
            elif isinstance(part, SyncBatchNorm):
                setattr(parent, name, _batch_norm(part))
    return net


@contextmanager
def noise_off(net: nn.Module) -> Iterator[None]:
    """Within it the dropout of `net`, and nothing else, is frozen."""
    active = [part for part in net.modules() if isinstance(part, _DropoutNd) and part.training]
    for part in active:
        part.eval()
    try:
        yield
    finally:
        for part in active:
            part.train()


def _batch_norm(norm: SyncBatchNorm) -> nn.BatchNorm2d:
    """The batch norm of one process with the same numbers."""
    plain = nn.BatchNorm2d(norm.num_features, norm.eps)
    plain.load_state_dict(norm.state_dict())
    return plain.eval()


def _is_channels_last(weight: Tensor) -> bool:
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
