"""All passes of a network over the tiles of a picture, as if it had been one pass over the whole."""
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from tiles.box import Read, Write, box_of
from tiles.computing import compute_tile
from tiles.nodes import Graph, Node, Region
from tiles.plan import Plan
from tiles.schedule import Pass, make_passes, tiles_of
from tiles.scratch import Behind, ScratchFile, rows_of
from tiles.standing import ENDING, Course, Standing
from tiles.statistics import Statistics


class Translation:
    """Of the picture that the graph was unfolded for. folder: for what is kept meanwhile.

    known: the statistics that norms use, by the name of their input (Statistics.state); {}: those of the whole picture
    are measured on the way.
    """

    def __init__(self, graph: Graph, plan: Plan, device: torch.device, folder: Path,
                 known: Mapping[str, dict[str, Any]] = MappingProxyType({})):
        self.graph, self.shapes, self.device, self.folder = graph, plan.shapes, device, folder
        for norm in graph.measured if known else ():
            norm.know(Statistics.from_state(known[norm.inputs[0].name]))
        graph.measured = [] if known else graph.measured
        self.passes = make_passes(graph, plan.stepwise)
        self.files: dict[Node, ScratchFile] = {}
        self.statistics: dict[str, Statistics] = {}

    def run(self, read: Read, write: Write, standing: Standing, progress: Callable[[int, int], None]) -> None:
        """From where it stands to the end. OSError when a file cannot be written."""
        self.read, self.write = read, write
        self.statistics = {name: Statistics.from_state(state) for name, state in standing.statistics.items()}
        size = self.graph.source.size
        flops = [made.flops(size, shape) for made, shape in zip(self.passes, self.shapes, strict=True)]
        course = Course(self.folder, standing, flops, progress, self._settle)
        self.behind = Behind()
        try:
            for number, (made, shape) in enumerate(zip(self.passes, self.shapes, strict=True)):
                if number >= standing.number:
                    self._open(made)
                    for tile in course.tiles(number, tiles_of(size, shape)):
                        compute_tile(made, tile, size, self._values, self._take)
                    self._free(made)
                for node, norm in made.measured.items():
                    norm.know(self.statistics[node.name])
        finally:
            self.behind.close()
            for file in self.files.values():
                file.close()

    def _open(self, made: Pass) -> None:
        """The files that a pass reads and writes."""
        for node in (made.read | made.written) - {self.graph.source, self.graph.result, *self.files}:
            self.files[node] = ScratchFile(self._path(node), node.size, node.channels)

    def _path(self, node: Node) -> Path:
        return self.folder / f"{self.graph.nodes.index(node)}{ENDING}"

    def _values(self, node: Node, region: Region) -> Tensor:
        if node is self.graph.source:
            return self.read(box_of(region))
        return self.files[node].read(region).to(self.device)

    def _take(self, made: Pass, node: Node, region: Region, values: Tensor) -> None:
        """A part of an image that a pass is made for."""
        if node in made.measured:
            new, known = Statistics.of(values), self.statistics.get(node.name)
            self.statistics[node.name] = known.with_(new) if known else new
        if node is self.graph.result:
            self.write(box_of(region), values.float())
        elif node in made.written:
            self.behind(self.files[node].write, region, rows_of(values))

    def _settle(self, number: int) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """What is in its files now: the statistics, and the files that the pass of that number and later ones read."""
        self.behind.settle()
        needed = {node for made in self.passes[number:] for node in made.read}  # those of earlier passes too
        there = [path.name for path in map(self._path, needed) if path.exists()]
        return {name: known.state() for name, known in self.statistics.items()}, there

    def _free(self, made: Pass) -> None:
        """Remove what no later pass reads."""
        self.behind.settle()
        for node in made.last:
            file = self.files.pop(node)
            file.close()
            file.path.unlink()
