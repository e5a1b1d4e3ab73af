"""The same networks with less work: the same parameters under the same names, the same mathematics.

The network files stay the textbook; `accelerate` replaces layers whose work can be spared. `--plain` leaves them alone.
"""
from typing import Any, TypeGuard, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.generators import UnetGenerator
from networks.ways import BiaslessConv2d, BiaslessConvTranspose2d, TunedConv2d, TunedConvTranspose2d


class SampleNorm2d(nn.InstanceNorm2d):
    """Instance norm as the batch norm of each sample by itself, which keeps the layout channels_last.

    torch's own would copy each image to the other layout, and on the CPU, for a batch of 1, its gradient would be wrong
    when the gradient that comes in is channels_last (torch 2.12 to 2.14).
    """

    MOST = 4  # samples: each costs kernels of its own
    LARGE = 1 << 16  # pixels: over more of them the sums of torch's batch norm lose digits on a CPU, in this layout

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.MOST or not x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x)
        exact = x.device.type == "cpu" and x.shape[2] * x.shape[3] > self.LARGE and not torch.is_grad_enabled()
        normed = [self._exact(sample) if exact else F.batch_norm(sample, None, None, training=True, eps=self.eps)
                  for sample in x.split(1)]
        return normed[0] if len(normed) == 1 else torch.cat(normed)

    def _exact(self, sample: Tensor) -> Tensor:
        """Without gradients."""
        variance, mean = torch.var_mean(sample, (0, 2, 3), correction=0)
        return F.batch_norm(sample, mean, variance, training=False, eps=self.eps)


class FollowedPad2d(nn.ReflectionPad2d):
    """A reflection that the convolution behind it makes, which need not keep what comes of it: images pass as they are.
    """

    def forward(self, input: Tensor) -> Tensor:
        return input


def accelerate(net: nn.Module) -> nn.Module:
    """Replace layers inside of `net` by those above, and return it. Parameters and their names stay what they were."""
    for block in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for place, layer in enumerate(block):
            following = block[place + 1] if place + 1 < len(block) else None
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                block[place] = twin = _in_many_ways(layer, biased=not _is_plain_norm(following))
                pad = block[place - 1] if place else None
                if isinstance(pad, nn.ReflectionPad2d) and isinstance(twin, TunedConv2d) and _can_follow(pad, twin):
                    block[place - 1], twin.reflection = FollowedPad2d(pad.padding), pad.padding[0]
            elif _is_plain_norm(layer):
                block[place] = SampleNorm2d(layer.num_features, layer.eps)
    return net


def _is_plain_norm(layer: nn.Module | None) -> TypeGuard[nn.InstanceNorm2d]:
    """Whether it is torch's own instance norm, without weights and without statistics."""
    return type(layer) is nn.InstanceNorm2d and not layer.affine and not layer.track_running_stats


def _can_follow(pad: nn.Module, layer: TunedConv2d) -> bool:
    """Whether a layer had better reflect what a padding in front of it does: one without its own that keeps the size,
    and whose input is not small beside its output.
    """
    return (type(pad) is nn.ReflectionPad2d and {*pad.padding} == {side // 2 for side in layer.kernel_size}
            and layer.stride == layer.dilation == (1, 1) and layer.padding == (0, 0) and layer.groups == 1
            and layer.in_channels >= layer.out_channels)


def _in_many_ways(layer: nn.Conv2d | nn.ConvTranspose2d, biased: bool) -> nn.Module:
    """The layer that does the same in any of its ways, around the same parameters; a special one stays.

    biased: whether it adds its bias, where it has one.
    """
    if type(layer) not in (nn.Conv2d, nn.ConvTranspose2d) or layer.padding_mode != "zeros":
        return layer
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    shape: dict[str, Any] = {name: getattr(layer, name) for name in names}
    twin: TunedConv2d | TunedConvTranspose2d
    if isinstance(layer, nn.ConvTranspose2d):
        kind = TunedConvTranspose2d if biased else BiaslessConvTranspose2d
        twin = kind(**shape, output_padding=cast(Any, layer.output_padding), device="meta")
    else:
        twin = (TunedConv2d if biased else BiaslessConv2d)(**shape, device="meta")
    twin.weight, twin.bias = layer.weight, layer.bias
    return twin


def best_layout(net: nn.Module, device_type: str, sixteen_bits: bool) -> torch.memory_format:
    """The memory layout in which `net` is fastest: channels_last, or torch's own.

    sixteen_bits: whether the tensor cores of a GPU are used, which read channels_last. Elsewhere residual networks and
    PatchGANs are faster in it; U-Nets are not, as their concatenations cost more than their convolutions gain
    (docs/performance.md).
    """
    wanted = sixteen_bits if device_type == "cuda" else not isinstance(net, UnetGenerator)
    return torch.channels_last if wanted else torch.contiguous_format
