"""In how many passes over the tiles a network is computed, and what each of them reads, measures and keeps."""
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tiles.nodes import Add, Convolution, Graph, Node, Norm, Region, Source, Span, TransposedConvolution, union

KEPT = 1 / 4  # of the channels of the first convolution, a pixel of the picture: images that are not larger are kept


@dataclass(eq=False)
class Pass:
    """One pass over the tiles of the picture.

    nodes: all that take part, each behind its inputs; read: those that are not computed but there already; measured:
    whose statistics the pass takes, for the norm behind it; written: what it keeps for later passes, or the result;
    last: what no later pass reads.
    """

    nodes: list[Node]
    read: set[Node]
    measured: dict[Node, Norm]
    written: set[Node]
    last: set[Node]

    def spans(self, axis: int, tile: Span, whole: int) -> dict[Node, Span]:
        """What is computed, or read, of each node for a tile's rows (axis 0) or columns (axis 1) of `whole`."""
        found = {node: own(node, axis, tile, whole) if self.is_target(node) else (0, 0) for node in self.nodes}
        for node in reversed(self.nodes):
            for x in node.inputs if node not in self.read else ():
                found[x] = union(found[x], node.needs(axis, found[node]))
        return found

    def is_target(self, node: Node) -> bool:
        return node in self.measured or node in self.written

    def flops(self, size: tuple[int, int], shape: tuple[int, int]) -> int:
        """Of the pass over tiles of `shape`, (height, width), as torch.utils.flop_counter counts them.

        Two for each multiplication of the convolutions.
        """
        counted = [dict.fromkeys(self.nodes, 0) for _ in size]
        for axis, whole in enumerate(size):
            for edges in tiles_along(whole, shape[axis]):
                for node, span in self.spans(axis, edges, whole).items():
                    counted[axis][node] += node.counted(axis, span) if node not in self.read else 0
        return sum(2 * node.macs * counted[0][node] * counted[1][node] for node in self.nodes)

    def uses(self) -> dict[Node, int]:
        """How many nodes of the pass look at each."""
        looks = [x for node in self.nodes if node not in self.read for x in node.inputs]
        return {node: looks.count(node) for node in self.nodes}


def own(node: Node, axis: int, tile: Span, whole: int) -> Span:
    """A tile of the picture in a node's image: the tiles cover it, and none covers what another one does."""
    start, stop = (edge * node.size[axis] // whole for edge in tile)
    return start, stop


def tiles_along(whole: int, tile: int) -> Iterator[Span]:
    """The spans of the tiles along an axis; the last one may be smaller."""
    return pairwise([*range(0, whole, tile), whole])


def tiles_of(size: tuple[int, int], shape: tuple[int, int]) -> list[Region]:
    """The tiles of `shape` of a picture, both (height, width), row by row."""
    return [(rows, columns) for rows in tiles_along(size[0], shape[0]) for columns in tiles_along(size[1], shape[1])]


def make_passes(graph: Graph, stepwise: bool) -> list[Pass]:
    """The passes, in order; the last one makes the result.

    A new pass begins behind whatever must be measured first. stepwise: and behind each convolution whose image is kept,
    though there is nothing to measure: no part of it is then computed twice.
    """
    small = {node for node in graph.nodes if _is_small(node, graph)}
    ends = {norm.inputs[0] for norm in graph.measured}
    if stepwise:
        ends |= {node for node in small if not isinstance(node, Add)}
    level: dict[Node, int] = {}
    for node in graph.nodes:
        level[node] = max((level[x] + (x in ends) for x in node.inputs), default=0)
    passes: list[Pass] = []
    wanted = {graph.result}  # by later passes
    for number in range(level[graph.result], -1, -1):
        written = {node for node in wanted if level[node] == number and node is not graph.source}
        measured = {norm.inputs[0]: norm for norm in graph.measured if level[norm.inputs[0]] == number}
        nodes, read = _reached(graph, {*written, *measured}, {node for node in small if level[node] < number})
        last = {node for node in read if node not in wanted and not isinstance(node, Source)}
        wanted |= read
        passes.append(Pass(nodes, read, measured, written, last))
    return passes[::-1]


def _is_small(node: Node, graph: Graph) -> bool:
    """Whether it is cheaper kept than computed again."""
    if not isinstance(node, (Convolution, TransposedConvolution, Add)) or node is graph.result:
        return False
    first = next(node for node in graph.nodes if isinstance(node, Convolution))
    whole = graph.source.size[0] * graph.source.size[1]
    return node.channels * node.size[0] * node.size[1] <= KEPT * first.channels * whole


def _reached(graph: Graph, targets: set[Node], there: set[Node]) -> tuple[list[Node], set[Node]]:
    """The nodes that the targets are computed from, in order, and those of them that are there already."""
    found, read = set(targets), set()
    for node in reversed(graph.nodes):
        if node in found and (node in there or isinstance(node, Source)):
            read.add(node)
        elif node in found:
            found |= set(node.inputs)
    return [node for node in graph.nodes if node in found], read
