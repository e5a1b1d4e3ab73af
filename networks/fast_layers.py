"""The same networks with less work: the same parameters under the same names, the same mathematics.

The network files stay the textbook; `accelerate` replaces layers whose work can be spared. `--plain` leaves them alone.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks.generators import UnetGenerator


class BiaslessConv2d(nn.Conv2d):
    """A convolution in front of an instance norm, which subtracts whatever a bias adds: the bias is kept, not computed."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)


class BiaslessConvTranspose2d(nn.ConvTranspose2d):
    """The same for a transposed convolution."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, None, self.stride, self.padding, self.output_padding, self.groups,
                                  self.dilation)


class SampleNorm2d(nn.InstanceNorm2d):
    """Instance norm as the batch norm of each sample by itself, which keeps the layout channels_last.

    torch's own would copy each image to the other layout, and on the CPU, for a batch of 1, its gradient would be wrong
    when the gradient that comes in is channels_last (torch 2.12 to 2.14).
    """

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_contiguous(memory_format=torch.channels_last):
            return super().forward(x)
        normed = [F.batch_norm(sample, None, None, training=True, eps=self.eps) for sample in x.split(1)]
        return normed[0] if len(normed) == 1 else torch.cat(normed)


WITHOUT_BIAS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: BiaslessConv2d, nn.ConvTranspose2d: BiaslessConvTranspose2d}


def accelerate(net: nn.Module) -> nn.Module:
    """Replace layers of `net` in place, and return it.

    A layer only changes its class: parameters, names and state stay. U-Nets keep torch's layout: their concatenations
    cost more in channels_last than their convolutions gain on a CPU (docs/performance.md).
    """
    for block in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        layers = list(block)
        for layer, following in zip(layers, layers[1:], strict=False):
            if type(following) is nn.InstanceNorm2d and type(layer) in WITHOUT_BIAS:
                layer.__class__ = WITHOUT_BIAS[type(layer)]
        for layer in layers:
            if type(layer) is nn.InstanceNorm2d:
                layer.__class__ = SampleNorm2d
    return net if isinstance(net, UnetGenerator) else net.to(memory_format=torch.channels_last)
