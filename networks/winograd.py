"""3x3 convolutions with fewer multiplications: Lavin and Gray 2015, Fast Algorithms for Convolutional Neural Networks.

A tile of m x m outputs sees m + 2 x m + 2 inputs. Those, and the kernel, are transformed by small matrices; the product
of a tile and a kernel is then one multiplication for each of (m + 2)**2 places, and another small matrix makes the
outputs of it: 9/4 (m = 2) and 4 (m = 4) times fewer multiplications than the sum itself.
"""
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.weak import WeakIdKeyDictionary

from networks.reflected import reflect, reflect_backward
from networks.scratch import PART, room, rows_of, window

MATRICES = {  # by m, of sections 4.1 and 4.3
    2: {"BT": [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        "G": [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        "AT": [[1, 1, 1, 0], [0, 1, -1, -1]]},
    4: {"BT": [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0],
               [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
        "G": [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
              [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]],
        "AT": [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]},
}
TRANSPOSED = {"B": "BT", "GT": "G", "A": "AT"}
FEW = 256  # tiles in all of a batch: up to here a kernel's transform is a tenth of a translation or more, and is kept
KEPT = 192 << 20  # bytes of all kernels that are kept


def winograd_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0, tile: int = 4,
                    reflection: int = 0) -> Tensor:
    """F.conv2d(x, weight, bias, padding=padding) for kernels of 3x3, of x with so many pixels reflected at its edges.

    Shapes: (B, C, H, W), (K, C, 3, 3), (K,) -> (B, K, H + 2 * reflection + 2 * padding - 2, ...), in the layout of x.
    tile: 4 or 2, m above. For the gradients it keeps x, without a reflection, and weight; a gradient of its gradient is
    that of the direct sum. What is compiled, exported or traced is the direct sum.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return F.conv2d(reflect(x, reflection), weight, bias, padding=padding)
    learns = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    return _Winograd.apply(x, weight, bias, padding, tile, reflection, learns)


class _Winograd(torch.autograd.Function):
    """The gradients are the transposed transforms and products, part by part as the outputs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, tile: int, reflection: int,
                learns: bool) -> Tensor:
        """Section 4, A^T [(G g G^T) * (B^T d B)] A, with a product of matrices for each place of a tile."""
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.tile, ctx.reflection = padding, tile, reflection
        x = reflect(x, reflection)
        grid = _Grid(x.shape[2] + 2 * padding - 2, x.shape[3] + 2 * padding - 2, tile)
        y = _empty(x, len(weight), grid.height, grid.width)
        kernel = _kernel(weight, tile, kept=not learns and grid.tiles(len(x)) <= FEW)
        for part in grid.parts(len(x), max(weight.shape[:2])):
            values = _transformed_tiles(x, padding, part)
            products = torch.bmm(values, kernel.transpose(1, 2), out=room("b", (*values.shape[:2], len(weight)), x))
            made = _at_once(tile, "AT", products, "a")
            if bias is not None:
                made += bias
            part.put(made, y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of x, weight and bias, those that are wanted; all transforms of forward are computed again."""
        (dy,), (x, weight), wanted = gradients, ctx.saved_tensors, list(ctx.needs_input_grad[:3])
        seen = reflect(x, ctx.reflection)
        if torch.is_grad_enabled():  # a gradient of this gradient is wanted
            dseen, dweight, dbias = torch.ops.aten.convolution_backward(
                dy, seen, weight, [len(weight)] if wanted[2] else None, (1, 1), (ctx.padding,) * 2, (1, 1), False,
                (0, 0), 1, wanted)
        else:
            dseen, dweight = _gradients(dy, seen, weight, ctx.padding, ctx.tile, *wanted[:2])
            dbias = dy.sum((0, 2, 3)) if wanted[2] else None
        dx = None if dseen is None else reflect_backward(dseen, x, ctx.reflection)
        return dx, dweight, dbias, None, None, None, None


def _gradients(dy: Tensor, x: Tensor, weight: Tensor, padding: int, tile: int, wanted_x: bool, wanted_weight: bool
               ) -> tuple[Tensor | None, Tensor | None]:
    """Of x and weight."""
    grid = _Grid(dy.shape[2], dy.shape[3], tile)
    dx = _empty(x, *x.shape[1:]) if wanted_x else None
    kernel = _kernel(weight, tile, kept=False) if wanted_x else None
    dkernel = room("dkernel", ((tile + 2) ** 2, *weight.shape[:2]), x) if wanted_weight else None
    if dkernel is not None and not len(x):
        dkernel.zero_()  # no part is the first, which would put its own there
    for number, part in enumerate(grid.parts(len(x), max(weight.shape[:2]))):
        dproducts = _at_once(tile, "A", part.taken(dy), "c")
        if dkernel is not None:
            dkernel.baddbmm_(dproducts.transpose(1, 2), _transformed_tiles(x, padding, part), beta=min(number, 1))
        if dx is not None and kernel is not None:
            dvalues = torch.bmm(dproducts, kernel, out=room("a", (*dproducts.shape[:2], x.shape[1]), x))
            part.add(_sandwich(tile, "B", dvalues, "b", "a"), dx, padding)
    if dkernel is None:
        return dx, None
    dweight = _at_once(tile, "GT", dkernel, "b").view(3, 3, *weight.shape[:2])
    return dx, torch.empty_like(weight).copy_(dweight.permute(2, 3, 0, 1))


@dataclass(frozen=True)
class _Part:
    """Some of the tiles of a batch: rows `first` to `first + rows` of them, of the samples `samples`."""

    samples: slice
    count: int
    first: int
    rows: int
    columns: int
    tile: int

    def seen(self, x: Tensor, padding: int) -> Tensor:
        """The inputs of each tile, (side**2, tiles, C)."""
        tile, side = self.tile, self.tile + 2
        x = window(rows_of(x)[self.samples], self.first * tile - padding, -padding, self.rows * tile + 2,
                    self.columns * tile + 2)
        by = x.stride()
        tiles = x.as_strided((side, side, self.count, self.rows, self.columns, x.shape[3]),
                             (by[1], by[2], by[0], tile * by[1], tile * by[2], 1), x.storage_offset())
        return room("a", tiles.shape, x).copy_(tiles).view(side**2, -1, x.shape[3])

    def taken(self, dy: Tensor) -> Tensor:
        """The outputs of each tile, (tile**2, tiles, K)."""
        tile = self.tile
        dy = window(rows_of(dy)[self.samples], self.first * tile, 0, self.rows * tile, self.columns * tile)
        tiles = dy.unflatten(2, (self.columns, tile)).unflatten(1, (self.rows, tile)).permute(2, 4, 0, 1, 3, 5)
        return room("a", tiles.shape, dy).copy_(tiles).view(tile**2, -1, dy.shape[3])

    def put(self, made: Tensor, y: Tensor) -> None:
        """Lay outputs, (tile, tile, tiles, K), into y."""
        tile, y = self.tile, rows_of(y)[self.samples]
        made = made.view(tile, tile, self.count, self.rows, self.columns, -1).permute(2, 3, 0, 4, 1, 5)
        seen = y[:, self.first * tile:(self.first + self.rows) * tile]
        if seen.shape[1:3] == (self.rows * tile, self.columns * tile):
            seen.unflatten(2, (self.columns, tile)).unflatten(1, (self.rows, tile)).copy_(made)
        else:
            made = room("b", made.shape, made).copy_(made).flatten(3, 4).flatten(1, 2)
            seen.copy_(made[:, :seen.shape[1], :seen.shape[2]])

    def add(self, dtiles: Tensor, dx: Tensor, padding: int) -> None:
        """Add gradients of what tiles see, (side, side, tiles, C), which overlap, to dx."""
        tile, side, dx = self.tile, self.tile + 2, rows_of(dx)[self.samples]
        dtiles = dtiles.view(side, side, self.count, self.rows, self.columns, -1).permute(2, 3, 0, 4, 1, 5)
        whole = room("b", (self.count, self.rows + 1, tile, self.columns + 1, tile, dx.shape[3]), dx)
        whole[:, -1].zero_()
        whole[:, :, :, -1].zero_()
        whole[:, :-1, :, :-1] = dtiles[:, :, :tile, :, :tile]
        whole[:, 1:, :2, :-1] += dtiles[:, :, tile:, :, :tile]
        whole[:, :-1, :, 1:, :2] += dtiles[:, :, :tile, :, tile:]
        whole[:, 1:, :2, 1:, :2] += dtiles[:, :, tile:, :, tile:]
        top = self.first * tile - padding
        seen, above = dx[:, max(top, 0):top + (self.rows + 1) * tile], max(-top, 0)
        whole = whole.flatten(3, 4).flatten(1, 2)[:, above:above + seen.shape[1], padding:padding + dx.shape[2]]
        both = max(2 - above, 0) if self.first else 0  # rows that the tiles above have seen too
        seen[:, :both] += whole[:, :both]
        seen[:, both:] = whole[:, both:]


@dataclass(frozen=True)
class _Grid:
    """The tiles that make outputs of height x width."""

    height: int
    width: int
    tile: int

    def _sides(self) -> tuple[int, int]:
        return math.ceil(self.height / self.tile), math.ceil(self.width / self.tile)

    def tiles(self, samples: int) -> int:
        return samples * math.prod(self._sides())

    def parts(self, samples: int, channels: int) -> Iterator[_Part]:
        """All tiles of so many samples, a few samples or a few rows at a time."""
        rows, columns = self._sides()
        fit = max(PART // ((self.tile + 2) ** 2 * channels * columns), 1)  # rows
        some, deep = max(fit // rows, 1), math.ceil(rows / math.ceil(rows / fit))
        for sample in range(0, samples, some):
            count = min(some, samples - sample)
            for first in range(0, rows, deep):
                yield _Part(slice(sample, sample + count), count, first, min(deep, rows - first), columns, self.tile)


def _transformed_tiles(x: Tensor, padding: int, part: _Part) -> Tensor:
    """(side**2, tiles, C)"""
    return _sandwich(part.tile, "BT", part.seen(x, padding), "b", "a")


def _kernel(weight: Tensor, tile: int, kept: bool) -> Tensor:
    """(side**2, K, C), transformed; kept for the next images where there is room, else in the room "kernel"."""
    shape = (tile + 2) ** 2, *weight.shape[:2]
    if not kept or weight.device.type != "cpu" or not isinstance(weight, nn.Parameter) or weight.is_inference():
        return _transformed_kernel(weight, tile, room("kernel", shape, weight))
    memory = StorageWeakRef(weight.untyped_storage())  # as long as it is held, no other memory is taken for it
    state = tile, weight.dtype, weight._version, weight.data_ptr(), memory
    found = _kept.get(weight)
    if found and found[0] == state:
        return found[1]
    size = math.prod(shape) * weight.element_size()
    _kept.pop(weight, None)
    if size + sum(kernel.nbytes for _, kernel in list(_kept.data.values())) > KEPT:  # at once
        return _transformed_kernel(weight, tile, room("kernel", shape, weight))
    with torch.inference_mode(False), torch.no_grad():
        kernel = _transformed_kernel(weight, tile, torch.empty(shape, dtype=weight.dtype))
    _kept[weight] = state, kernel
    return kernel


def _forget(optimizer: Optimizer, *_: Any) -> None:
    """Kernels of what has learned; the version of a tensor does not tell when Adam is fused (torch 2.14)."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            _kept.pop(parameter, None)


register_optimizer_step_post_hook(_forget)


def _transformed_kernel(weight: Tensor, tile: int, out: Tensor) -> Tensor:
    taps = weight.permute(2, 3, 0, 1)
    taps = room("b", taps.shape, weight).copy_(taps).flatten(0, 1)
    return _at_once(tile, "G", taps, out)


def _sandwich(tile: int, name: str, squares: Tensor, half: str, result: str) -> Tensor:
    """matrix @ square @ matrix.T of many squares, (s * s, ...) -> (r * r, ...). half, result: rooms to compute in."""
    matrix, shape = _matrix(tile, name, squares.dtype, squares.device), squares.shape[1:]
    r, s = matrix.shape
    squares = squares.reshape(s, s, -1)
    many = squares.shape[2]
    halves = torch.bmm(matrix.expand(s, r, s), squares.transpose(0, 1), out=room(half, (s, r, many), squares))
    made = room(result, (r, r, many), squares)
    return torch.bmm(matrix.expand(r, r, s), halves.transpose(0, 1), out=made).view(r * r, *shape)


def _at_once(tile: int, name: str, squares: Tensor, result: str | Tensor) -> Tensor:
    """The same in one product, which is faster for a matrix that is not square. result: not where the squares are."""
    squared, flat = _squared(tile, name, squares.dtype, squares.device), squares.reshape(len(squares), -1)
    shape = len(squared), flat.shape[1]
    made = room(result, shape, squares) if isinstance(result, str) else result.view(shape)
    return torch.mm(squared, flat, out=made).view(len(squared), *squares.shape[1:])


@cache
def _matrix(tile: int, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    if name in TRANSPOSED:
        return _matrix(tile, TRANSPOSED[name], dtype, device).T
    with torch.inference_mode(False):
        return torch.tensor(MATRICES[tile][name], dtype=torch.float64).to(device, dtype)


@cache
def _squared(tile: int, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(r * r, s * s): what a sandwich does, in one product."""
    with torch.inference_mode(False):
        matrix = _matrix(tile, name, torch.float64, torch.device("cpu")).contiguous()
        return torch.kron(matrix, matrix).to(device, dtype)


_kept: Any = WeakIdKeyDictionary()  # by weight: what it was when it was transformed, and its kernel


def _empty(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    return torch.empty(len(x), channels, height, width, dtype=x.dtype, device=x.device, memory_format=layout)
