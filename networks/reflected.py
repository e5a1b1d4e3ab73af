"""A convolution of a reflected image that keeps the image, and not what it looks like with reflected edges."""
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def reflect(x: Tensor, pixels: int) -> Tensor:
    """x, (B, C, H, W), with so many pixels reflected at each edge."""
    return F.pad(x, (pixels,) * 4, mode="reflect") if pixels else x


def reflect_backward(gradient: Tensor, x: Tensor, pixels: int) -> Tensor:
    """The gradient of x, (B, C, H, W), by that of reflect(x, pixels)."""
    return torch.ops.aten.reflection_pad2d_backward(gradient, x, (pixels,) * 4) if pixels else gradient


def reflected_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, pixels: int) -> Tensor:
    """F.conv2d(reflect(x, pixels), weight, bias), whose gradients reflect x once more instead of keeping it twice.

    Shapes: (B, C, H, W), (K, C, kernel, kernel), (K,) -> (B, K, H + 2 * pixels + 1 - kernel, ...), all of one dtype. A
    gradient of a gradient is torch's, and so is what is compiled, exported or traced.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return F.conv2d(reflect(x, pixels), weight, bias)
    return _Reflected.apply(x, weight, bias, pixels)


class _Reflected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, pixels: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.pixels = pixels
        return F.conv2d(reflect(x, pixels), weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (dy,), (x, weight), wanted = gradients, ctx.saved_tensors, list(ctx.needs_input_grad[:3])
        dx, dweight, dbias = torch.ops.aten.convolution_backward(
            dy, reflect(x, ctx.pixels), weight, [len(weight)] if wanted[2] else None, (1, 1), (0, 0), (1, 1), False,
            (0, 0), 1, wanted)
        return None if dx is None else reflect_backward(dx, x, ctx.pixels), dweight, dbias, None
