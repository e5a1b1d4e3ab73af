"""3x3 convolutions with fewer multiplications (Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks").
"""
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# B^T, G and A^T of section 4.1 and 4.3, by the side of the square of outputs that a tile makes
MATRICES = {
    2: ([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]]),
    4: ([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0],
         [0, 4, 0, -5, 0, 1]],
        [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
         [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]),
}


def winograd_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0, tile: int = 4) -> Tensor:
    """F.conv2d(x, weight, bias, padding=padding) for kernels of 3x3.

    Shapes: (B, C, H, W), (K, C, 3, 3), (K,) -> (B, K, H + 2 * padding - 2, W + 2 * padding - 2).
    tile: 4 or 2, the side of the squares of outputs: 4 needs 1/4 of the multiplications, 2 needs 4/9.
    """
    y = _Winograd.apply(x, weight, padding, tile)
    return y if bias is None else y + bias[:, None, None]


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int, tile: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.tile = padding, tile
        height, width = (side + 2 * padding - 2 for side in x.shape[2:])
        values = _transformed_tiles(x, padding, tile)
        made = torch.bmm(values, _transformed_weight(weight, tile))
        _, _, outwards = _matrices(tile, x)
        grid = len(x), -(-height // tile), -(-width // tile)
        y = (outwards @ made.flatten(1)).view(tile, tile, *grid, -1).permute(2, 3, 0, 4, 1, 5)
        y = y.reshape(len(x), grid[1] * tile, grid[2] * tile, -1)[:, :height, :width]
        return y.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        padding, tile = ctx.padding, ctx.tile
        if torch.is_grad_enabled():
            wanted = [*ctx.needs_input_grad[:2], False]
            return *torch.ops.aten.convolution_backward(gradient, x, weight, None, (1, 1), (padding,) * 2, (1, 1),
                                                        False, (0, 0), 1, wanted)[:2], None, None
        inwards, of_weight, outwards = _matrices(tile, x)
        count, channels, height, width = gradient.shape
        rows, columns = -(-height // tile), -(-width // tile)
        dy = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, columns * tile - width, 0, rows * tile - height))
        dy = dy.reshape(count, rows, tile, columns, tile, channels).permute(2, 4, 0, 1, 3, 5).reshape(tile**2, -1)
        dm = (outwards.T @ dy).view((tile + 2) ** 2, -1, channels)
        dx = dw = None
        if ctx.needs_input_grad[1]:
            values = _transformed_tiles(x, padding, tile)
            du = torch.bmm(values.transpose(1, 2), dm)
            dw = (of_weight.T @ du.flatten(1)).view(3, 3, *du.shape[1:]).permute(3, 2, 0, 1).contiguous()
        if ctx.needs_input_grad[0]:
            dv = torch.bmm(dm, _transformed_weight(weight, tile).transpose(1, 2))
            side = tile + 2
            dd = (inwards.T @ dv.flatten(1)).view(side, side, count, rows, columns, -1)
            whole = dd.new_zeros(count, rows + 1, tile, columns + 1, tile, dd.shape[-1])
            dd = dd.permute(2, 3, 0, 4, 1, 5)
            whole[:, :-1, :, :-1] += dd[:, :, :tile, :, :tile]
            whole[:, 1:, :2, :-1] += dd[:, :, tile:, :, :tile]
            whole[:, :-1, :, 1:, :2] += dd[:, :, :tile, :, tile:]
            whole[:, 1:, :2, 1:, :2] += dd[:, :, tile:, :, tile:]
            whole = whole.view(count, (rows + 1) * tile, (columns + 1) * tile, -1)
            whole = whole[:, padding:padding + x.shape[2], padding:padding + x.shape[3]]
            dx = whole.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return dx, dw, None, None


def _transformed_tiles(x: Tensor, padding: int, tile: int) -> Tensor:
    """(side * side, tiles, C)"""
    side = tile + 2
    height, width = (size + 2 * padding - 2 for size in x.shape[2:])
    rows, columns = -(-height // tile), -(-width // tile)
    x = x.permute(0, 2, 3, 1)
    x = F.pad(x, (0, 0, padding, columns * tile + 2 - padding - x.shape[2], padding,
                  rows * tile + 2 - padding - x.shape[1])).contiguous()
    by = x.stride()
    tiles = x.as_strided((side, side, len(x), rows, columns, x.shape[3]),
                         (by[1], by[2], by[0], tile * by[1], tile * by[2], 1))
    return (_matrices(tile, x)[0] @ tiles.reshape(side**2, -1)).view(side**2, -1, x.shape[3])


def _transformed_weight(weight: Tensor, tile: int) -> Tensor:
    """(side * side, C, K)"""
    flat = weight.permute(2, 3, 1, 0).reshape(9, -1)
    return (_matrices(tile, weight)[1] @ flat).view(-1, weight.shape[1], weight.shape[0])


def _matrices(tile: int, like: Tensor) -> list[Tensor]:
    """Those that act on flattened tiles, of the type of `like`."""
    return [torch.kron(torch.tensor(matrix, dtype=torch.float64), torch.tensor(matrix, dtype=torch.float64)).to(like)
            for matrix in MATRICES[tile]]
