"""Convolutions whose weights' gradient is a product of matrices: in channels_last libraries can be slow at it.

What each place of the kernel sees is laid out in rows (im2col: Chellapilla, Puri and Simard 2006, High Performance
Convolutional Neural Networks for Document Processing, section 3), a part of the image at a time.
"""
import math
from typing import Any

import torch
from torch import Tensor

from networks.scratch import PART, room, rows_of, window


def unrolled_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int,
                         output_padding: int | None = None) -> Tensor:
    """F.conv2d, or F.conv_transpose2d where an output_padding is given.

    Shapes: (B, C, H, W), (K, C, kernel, kernel) or transposed (C, K, kernel, kernel), (K,) -> (B, K, height, width).
    Only the gradient of the weights is computed otherwise; a gradient of a gradient is torch's. What is compiled,
    exported or traced is torch's.
    """
    settings = (stride, stride), (padding, padding), (1, 1), output_padding is not None, (output_padding or 0,) * 2, 1
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return torch.convolution(x, weight, bias, *settings)
    return _Unrolled.apply(x, weight, bias, settings)


class _Unrolled(torch.autograd.Function):
    """settings: of torch.convolution, behind its bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, settings: tuple[Any, ...]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = settings
        return torch.convolution(x, weight, bias, *settings)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """Of x, weight and bias, those that are wanted."""
        (dy,), (x, weight), (wanted_x, wanted_w, wanted_b) = gradients, ctx.saved_tensors, ctx.needs_input_grad[:3]
        (stride, *_), (padding, *_), _, transposed, *_ = ctx.settings
        torchs = torch.is_grad_enabled()  # a gradient of this gradient is wanted
        dx, dweight, dbias = torch.ops.aten.convolution_backward(
            dy, x, weight, [dy.shape[1]] if wanted_b else None, *ctx.settings,
            (wanted_x, wanted_w and torchs, wanted_b))
        if wanted_w and not torchs:
            images, at_each = (dy, x) if transposed else (x, dy)  # a transposed convolution sees what the other makes
            dweight = torch.empty_like(weight).copy_(_correlation(images, at_each, weight.shape[2], stride, padding))
        return dx, dweight, dbias, None


def _correlation(images: Tensor, at_each: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """The sum over all places of what lies there, times what a kernel sees from there.

    Shapes: (B, C, H, W), (B, K, height, width) -> (K, C, kernel, kernel).
    """
    images, at_each = rows_of(images), rows_of(at_each)
    (samples, height, width, _), channels = at_each.shape, images.shape[3]
    sums = images.new_zeros(at_each.shape[3], kernel * kernel * channels)
    most = max(PART // (width * kernel * kernel * channels), 1)
    rows = math.ceil(height / math.ceil(height / most))
    for sample in range(samples):
        for first in range(0, height, rows):
            here = at_each[sample, first:first + rows].flatten(0, 1)
            count = len(here) // width
            part = window(images[sample:sample + 1], first * stride - padding, -padding, (count - 1) * stride + kernel,
                          (width - 1) * stride + kernel)
            _, down, right, _ = part.stride()
            seen = part.as_strided((count, width, kernel, kernel, channels),
                                   (stride * down, stride * right, down, right, 1), part.storage_offset())
            sums.addmm_(here.t(), room("a", seen.shape, part).copy_(seen).view(len(here), -1))
    return sums.view(-1, kernel, kernel, channels).permute(0, 3, 1, 2)
