"""What a translation by tiles will cost, known before it begins."""
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from tiles.computing import peak_floats
from tiles.nodes import Graph, Region, Span, length
from tiles.schedule import Pass, make_passes, tiles_along
from tiles.unfolding import unfold
from util.errors import UserError

TILES = (2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64)  # tried in this order
ON_CPU = 512  # and there from this one on: larger tensors only wait for memory
LIBRARIES = 64 * 10**6  # bytes that torch takes beside its tensors
BESIDE = 1.0  # floats that a convolution takes for each that it reads and makes
HALO = 64  # pixels around a tile that is translated by itself
THUMBNAIL = 1024  # the longer side of the small copy
LOWEST = 32  # pixels of a wide tile
WIDER = 2.0  # times the memory of a square tile that a wide one may take
LITTLE = 1.02  # times the arithmetic that it may take
DIRECT = 1.3  # times the arithmetic of one pass, up to which tiles with halos are computed in a single pass


@dataclass(frozen=True)
class Plan:
    """How a picture of `size`, (height, width), is translated.

    tile: side of a tile in pixels of the picture; norm: whose statistics norms use; memory: bytes that a tile takes at
    most, with the weights; scratch: bytes on disk at most; flops: of all passes over the picture, and those of a single
    one over the whole; shapes: of the tiles in each pass, (height, width); stepwise: see tiles.schedule.make_passes;
    halo: pixels around a tile, for norm 'local'; thumbnail: how the small copy is looked at.
    """

    size: tuple[int, int]
    tile: int
    norm: str
    memory: int
    scratch: int
    flops: int
    flops_of_one_pass: int
    shapes: tuple[tuple[int, int], ...]
    stepwise: bool = False
    halo: int = 0
    thumbnail: "Plan | None" = None

    @property
    def passes(self) -> int:
        return len(self.shapes)

    def describe(self) -> str:
        """Lines for people: tiles, passes, arithmetic, memory, disk."""
        height, width = self.size
        tiles = len(list(tiles_along(height, self.tile))) * len(list(tiles_along(width, self.tile)))
        return "\n".join([
            f"{width}x{height} pixels in {tiles} tiles of {self.tile}x{self.tile}, statistics of norms: {self.norm}",
            f"{self.passes} passes, {self.flops / 1e12:.3g} TFLOP: {self.flops / self.flops_of_one_pass:.2f} times "
            "those of one pass over the whole picture",
            f"memory {in_bytes(self.memory)} beside the program itself, scratch files {in_bytes(self.scratch)}",
        ])


def make_plan(net: nn.Module, size: tuple[int, int], tile: int | None, norm: str, memory: int) -> Plan:
    """The plan for a picture of (height, width), and a net in the mode that it is in.

    tile: side of a tile in pixels; None: the largest for which `memory`, in bytes, suffices. norm: 'exact', the
    statistics of the whole picture; 'thumbnail', those of a small copy; 'local', those of each tile.
    UserError when the memory does not suffice for the tile, or for the smallest one, or the net cannot do it.
    """
    graph = unfold(net, size)
    most = min(2 * max(size), ON_CPU + 1 if next(net.parameters()).device.type == "cpu" else TILES[0] + 1)
    tiles = [tile] if tile else [side for side in TILES if side < most]
    for side in tiles:
        plan = _local(net, graph, side) if norm == "local" else _by_passes(net, graph, side, norm)
        if plan.memory <= memory:
            return plan
    raise UserError(f"tiles of {plan.tile}x{plan.tile} pixels take {in_bytes(plan.memory)} of memory, and there are "
                    f"{in_bytes(memory)}; give {'a smaller --tile' if tile else 'more memory, or a smaller network'}")


def _by_passes(net: nn.Module, graph: Graph, tile: int, norm: str) -> Plan:
    size, measured = graph.source.size, graph.measured
    one = flops_of(graph)
    thumbnail = None
    if norm == "thumbnail" and measured:
        thumbnail = _by_passes(net, unfold(net, _thumbnail(graph)), tile, "exact")
        graph.measured = []
    stepwise, passes = False, make_passes(graph, False)
    if len(passes) == 1 and passes[0].flops(size, (tile, tile)) > DIRECT * one:
        stepwise, passes = True, make_passes(graph, True)
    graph.measured = measured
    most = max(_floats(made, size, (tile, tile)) for made in passes)
    shapes = tuple(_shape(made, size, tile, most) for made in passes)
    floats = max(_floats(made, size, shape) for made, shape in zip(passes, shapes, strict=True))
    flops = sum(made.flops(size, shape) for made, shape in zip(passes, shapes, strict=True))
    scratch = scratch_bytes(passes)
    if thumbnail:
        flops, scratch = flops + thumbnail.flops, max(scratch, thumbnail.scratch)
    copy = graph.source.channels * math.prod(thumbnail.size) if thumbnail else 0
    return Plan(size, tile, norm, int(4 * (floats + copy)) + bytes_beside(net), scratch, flops, one, shapes, stepwise,
                thumbnail=thumbnail)


def _thumbnail(graph: Graph) -> tuple[int, int]:
    """(height, width) of a small copy."""
    scale = min(1.0, THUMBNAIL / max(graph.source.size))
    height, width = (max(min(2 * graph.multiple, side), round(side * scale / graph.multiple) * graph.multiple)
                     for side in graph.source.size)
    return height, width


def _local(net: nn.Module, graph: Graph, tile: int) -> Plan:
    size, step = graph.source.size, graph.multiple
    tile, halo = (-(-side // step) * step for side in (tile, HALO))
    windows = [Counter(length(window(span, whole, halo)) for span in tiles_along(whole, tile)) for whole in size]
    flops = sum(rows * columns * flops_of(unfold(net, (height, width)))
                for height, rows in windows[0].items() for width, columns in windows[1].items())
    largest = unfold(net, (max(windows[0]), max(windows[1])))
    largest.measured = []
    floats = _floats(make_passes(largest, False)[0], largest.source.size, size)
    return Plan(size, tile, "local", int(4 * floats) + bytes_beside(net), 0, flops, flops_of(graph), ((tile, tile),),
                halo=halo)


def window(span: Span, whole: int, halo: int) -> Span:
    """A tile's span with what lies around it."""
    return max(span[0] - halo, 0), min(span[1] + halo, whole)


def flops_of(graph: Graph) -> int:
    """Of one pass over the whole picture, as torch.utils.flop_counter counts them."""
    return sum(2 * node.macs * node.counted(0, (0, node.size[0])) * node.counted(1, (0, node.size[1]))
               for node in graph.nodes)


def bytes_beside(net: nn.Module) -> int:
    """What is in memory whatever the tiles are: the weights, and what libraries take."""
    return LIBRARIES + sum(parameter.numel() * parameter.element_size() for parameter in net.parameters())


def _floats(made: Pass, size: tuple[int, int], shape: tuple[int, int]) -> float:
    """The most that a tile of a pass holds."""
    return max(peak_floats(made, region, size, BESIDE) for region in _examples(size, shape))


def _examples(size: tuple[int, int], shape: tuple[int, int]) -> list[Region]:
    """A tile at the border and one inside, where there is one: none is larger."""
    rows, columns = (list(tiles_along(whole, side))[:2] for whole, side in zip(size, shape, strict=True))
    return [(rows[0], columns[0]), (rows[-1], columns[-1])]


def _shape(made: Pass, size: tuple[int, int], tile: int, most: float) -> tuple[int, int]:
    """Of the tiles of a pass, (height, width): low and as wide as memory allows, where that is not computed twice.

    The rows of scratch files are then read and written in long pieces, which a disk does many times faster. Else a
    square, a larger one for small images where that takes no more memory: fewer halos, fewer steps.
    most: floats that a tile x tile square holds in the pass that needs most.
    """
    flops = made.flops(size, (tile, tile))
    low, wide = max(tile // 8, LOWEST), size[1]
    while wide > 2 * tile and _floats(made, size, (low, wide)) > WIDER * most:
        wide = -(-wide // 2)
    if wide > 2 * tile and made.flops(size, (low, wide)) <= LITTLE * flops:
        return low, wide
    side = tile
    while side < max(size) and _floats(made, size, (2 * side, 2 * side)) <= most:
        side *= 2
    return side, side


def scratch_bytes(passes: Sequence[Pass]) -> int:
    """The most bytes of images that are kept at once."""
    most, kept = 0, set()
    for made in passes:
        kept |= made.written if made is not passes[-1] else set()
        most = max(most, sum(4 * node.channels * node.size[0] * node.size[1] for node in kept))
        kept -= made.last
    return most


def in_bytes(number: float) -> str:
    """For people."""
    power = min(int(math.log10(max(number, 1))) // 3, 4)
    return f"{number / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
