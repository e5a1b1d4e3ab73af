"""One pass over one tile: each node once, on the region that the tile needs, forgotten as soon as nobody reads it."""
from collections.abc import Callable

from torch import Tensor

from tiles.nodes import Node, Region, length
from tiles.schedule import Pass, own


def regions_of(made: Pass, tile: Region, size: tuple[int, int]) -> dict[Node, Region]:
    """What each node of a pass computes for a tile of the picture of (height, width)."""
    rows, columns = (made.spans(axis, tile[axis], size[axis]) for axis in (0, 1))
    return {node: (rows[node], columns[node]) for node in made.nodes if length(rows[node]) and length(columns[node])}


def compute_tile(made: Pass, tile: Region, size: tuple[int, int], read: Callable[[Node, Region], Tensor],
                 done: Callable[[Pass, Node, Region, Tensor], None]) -> None:
    """Compute a pass for a tile.

    read: the values, (1, channels, h, w), of what is there already; done: is given the tile's own part of each image
    that the pass measures or writes.
    """
    regions = regions_of(made, tile, size)
    left = made.uses()
    values: dict[Node, Tensor] = {}
    for node, region in regions.items():
        if node in made.read:
            value = read(node, region)
        else:
            needed = node.needs(0, region[0]), node.needs(1, region[1])
            value = node.compute([cut(values[x], regions[x], needed) for x in node.inputs], region)
            for x in node.inputs:
                left[x] -= 1
                if not left[x]:
                    del values[x]
        if made.is_target(node):
            mine = own(node, 0, tile[0], size[0]), own(node, 1, tile[1], size[1])
            if length(mine[0]) and length(mine[1]):
                done(made, node, mine, cut(value, region, mine))
        if left[node]:
            values[node] = value


def peak_floats(made: Pass, tile: Region, size: tuple[int, int], more: float) -> float:
    """The most values that `compute_tile` holds at once. more: what a node takes beside, for each it reads or makes."""
    regions = regions_of(made, tile, size)
    floats = {node: node.channels * length(rows) * length(columns) for node, (rows, columns) in regions.items()}
    left = made.uses()
    alive = peak = 0.0
    for node in regions:
        read = node.inputs if node not in made.read else ()
        alive += floats[node]
        peak = max(peak, alive + more * (floats[node] + sum(floats[x] for x in read)))
        for x in read:
            left[x] -= 1
            alive -= 0 if left[x] else floats[x]
        alive -= 0 if left[node] else floats[node]
    return peak


def cut(value: Tensor, region: Region, part: Region) -> Tensor:
    """A part of the values of a region, without a copy."""
    for axis, (start, stop) in enumerate(part):
        value = value.narrow(2 + axis, start - region[axis][0], stop - start)
    return value
