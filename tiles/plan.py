"""What a translation by tiles will cost, known before it begins."""
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from tiles.computing import peak_floats
from tiles.nodes import Graph, Region
from tiles.schedule import Pass, make_passes, tiles_along
from tiles.unfolding import unfold
from util.errors import UserError

TILES = (2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64)  # tried in this order
NORMS = ("exact", "thumbnail", "local")
BESIDE = 1.0  # floats that a convolution takes for each that it reads and makes
DIRECT = 1.3  # times the arithmetic of one pass, up to which tiles with halos are computed in a single pass


@dataclass(frozen=True)
class Plan:
    """How a picture of `size`, (height, width), is translated.

    tile: side of a tile in pixels of the picture; sides: that of each pass; norm: whose statistics norms use; stepwise:
    see tiles.schedule.make_passes; memory: bytes that a tile takes at most, and the weights; scratch: bytes on disk at
    most; flops: of all passes, and those of one pass over the whole picture.
    """

    size: tuple[int, int]
    tile: int
    sides: tuple[int, ...]
    norm: str
    stepwise: bool
    memory: int
    scratch: int
    flops: int
    flops_of_one_pass: int

    @property
    def passes(self) -> int:
        return len(self.sides)

    def describe(self) -> str:
        """Lines for people: tiles, passes, arithmetic, memory, disk."""
        height, width = self.size
        tiles = len(list(tiles_along(height, self.tile))) * len(list(tiles_along(width, self.tile)))
        return "\n".join([
            f"{width}x{height} pixels in {tiles} tiles of {self.tile}x{self.tile}, statistics of norms: {self.norm}",
            f"{self.passes} passes, {self.flops / 1e12:.3g} TFLOP: {self.flops / self.flops_of_one_pass:.2f} times "
            "those of one pass over the whole picture",
            f"memory {_bytes(self.memory)} beside the program itself, scratch files {_bytes(self.scratch)}",
        ])


def make_plan(net: nn.Module, size: tuple[int, int], tile: int | None, norm: str, memory: int) -> Plan:
    """The plan for a picture of (height, width).

    tile: side of a tile in pixels; None: the largest for which `memory`, in bytes, suffices. norm: 'exact', the
    statistics of the whole picture; 'thumbnail', those of a small copy; 'local', those of each tile.
    UserError when the memory does not suffice for the tile, or for the smallest one, or the net cannot do it.
    """
    graph = unfold(net, size)
    weights = sum(4 * parameter.numel() for parameter in net.parameters())
    tiles = [tile] if tile else [side for side in TILES if side < 2 * max(size)]
    for side in tiles:
        plan = _plan(graph, side, norm, weights)
        if plan.memory <= memory:
            return plan
    raise UserError(f"tiles of {tiles[-1]}x{tiles[-1]} pixels take {_bytes(plan.memory)} of memory, and there are "
                    f"{_bytes(memory)}; give " + ("a smaller --tile" if tile else "more memory, or a smaller network"))


def _plan(graph: Graph, tile: int, norm: str, weights: int) -> Plan:
    size = graph.source.size
    whole = make_passes(graph, False)
    one = sum(2 * node.macs * node.counted(0, (0, node.size[0])) * node.counted(1, (0, node.size[1]))
              for node in graph.nodes)
    stepwise, passes = False, whole
    if len(whole) == 1 and whole[0].flops(size, tile) > DIRECT * one:
        stepwise, passes = True, make_passes(graph, True)
    floats = max(_floats(made, size, tile) for made in passes)
    sides = tuple(_largest(made, size, tile, floats) for made in passes)
    return Plan(size, tile, sides, norm, stepwise, int(4 * floats) + weights, scratch_bytes(passes),
                sum(made.flops(size, side) for made, side in zip(passes, sides, strict=True)), one)


def _floats(made: Pass, size: tuple[int, int], tile: int) -> float:
    """The most that a tile of a pass holds."""
    return max(peak_floats(made, region, size, BESIDE) for region in _examples(size, tile))


def _examples(size: tuple[int, int], tile: int) -> list[Region]:
    """A tile at the border and one inside, where there is one: none is larger."""
    rows, columns = (list(tiles_along(whole, tile))[:2] for whole in size)
    return [(rows[0], columns[0]), (rows[-1], columns[-1])]


def _largest(made: Pass, size: tuple[int, int], tile: int, floats: float) -> int:
    """A larger tile for a pass over small images, where that takes no more memory: fewer halos, fewer steps."""
    while tile < max(size) and _floats(made, size, 2 * tile) <= floats:
        tile *= 2
    return tile


def scratch_bytes(passes: Sequence[Pass]) -> int:
    """The most bytes of images that are kept at once."""
    most, kept = 0, set()
    for made in passes:
        kept |= made.written if made is not passes[-1] else set()
        most = max(most, sum(4 * node.channels * node.size[0] * node.size[1] for node in kept))
        kept -= made.last
    return most


def _bytes(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            break
        number /= 1000
    else:
        unit = "TB"
    return f"{number:.3g} {unit}"
