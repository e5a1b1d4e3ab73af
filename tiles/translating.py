"""A picture of any size through a generator, tile by tile, as if it had been one pass over the whole."""
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tiles.computing import compute_tile
from tiles.nodes import Graph, Node, Region
from tiles.plan import Plan
from tiles.schedule import Pass, make_passes, tiles_along
from tiles.scratch import ScratchFile
from tiles.standing import Standing, fingerprint, forget
from tiles.statistics import Statistics
from tiles.unfolding import unfold

SAVED_EVERY = 10.0  # seconds


class Box(NamedTuple):
    """A part of the picture, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, region: Region) -> "Box":
        (top, bottom), (left, right) = region
        return cls(top, left, bottom - top, right - left)


@torch.no_grad()
def translate_tiled(net: nn.Module, size: tuple[int, int], read: Callable[[Box], Tensor],
                    write: Callable[[Box, Tensor], None], plan: Plan, scratch: Path,
                    progress: Callable[[int, int], None], *, seed: int = 0, source: str = "",
                    sync: Callable[[], None] = lambda: None) -> None:
    """Translate a picture of (height, width), which the network must be able to take.

    read: the part of the picture in a box, float32 (1, C, h, w) in [-1, 1] on the network's device; write: is given that
    of the result, each pixel once, or twice after a kill. plan: of tiles.plan.make_plan, for this net in this mode.
    scratch: a folder for what is kept meanwhile; begun again with the same network, plan, seed and `source`, which tells
    pictures apart, the translation goes on where it stood, and the pixels that were written must be there still. Nothing
    is left in it at the end. progress: is told what of the arithmetic is done, and how much it is in all.
    sync: called before it is noted what stands; what was given to `write` must be on the disk when it returns.
    seed: of the noise of dropout, for nets in training mode. OSError when the disk is full.
    """
    graph = unfold(net, size, seed)
    standing = Standing.of(scratch, fingerprint(net, plan, seed, source))
    device = next(net.parameters()).device
    _Translation(graph, device, read, write, plan, scratch, progress, standing, sync).run()
    forget(scratch)


class _Translation:
    def __init__(self, graph: Graph, device: torch.device, read: Callable[[Box], Tensor],
                 write: Callable[[Box, Tensor], None], plan: Plan, scratch: Path,
                 progress: Callable[[int, int], None], standing: Standing, sync: Callable[[], None]):
        self.graph, self.device, self.read, self.write = graph, device, read, write
        self.plan, self.standing = plan, standing
        self.scratch, self.progress, self.sync = scratch, progress, sync
        self.passes = make_passes(graph, plan.stepwise)
        self.statistics = {name: Statistics.of(state) for name, state in standing.statistics.items()}
        self.measured = {norm.inputs[0] for norm in graph.measured}
        self.files: dict[Node, ScratchFile] = {}
        self.saved = time.monotonic()

    def run(self) -> None:
        size = self.graph.source.size
        flops = [made.flops(size, side) for made, side in zip(self.passes, self.plan.sides, strict=True)]
        try:
            for number, (made, side) in enumerate(zip(self.passes, self.plan.sides, strict=True)):
                if number < self.standing.number:
                    self._know(made)
                    continue
                tiles = [(rows, columns) for rows in tiles_along(size[0], side) for columns in tiles_along(size[1], side)]
                self._open(made)
                for done, tile in enumerate(tiles):
                    if done >= self.standing.done:
                        compute_tile(made, tile, size, self._values, self._take)
                        self._remember(number, done + 1)
                    self.progress(sum(flops[:number]) + flops[number] * (done + 1) // len(tiles), sum(flops))
                self._know(made)
                self._remember(number + 1, 0, now=True)
                self._free(made)
        finally:
            for file in self.files.values():
                file.close()

    def _open(self, made: Pass) -> None:
        """The files that a pass reads and writes."""
        for node in made.read | made.written:
            if node not in self.files and node not in (self.graph.source, self.graph.result):
                self.scratch.mkdir(parents=True, exist_ok=True)
                path = self.scratch / f"{self.graph.nodes.index(node)}.floats"
                self.files[node] = ScratchFile(path, node.size, node.channels)

    def _values(self, node: Node, region: Region) -> Tensor:
        if node is self.graph.source:
            return self.read(Box.of(region))
        return self.files[node].read(region).to(self.device)

    def _take(self, node: Node, region: Region, values: Tensor) -> None:
        """A part of an image that a pass is made for."""
        if node in self.measured:
            self.statistics.setdefault(node.name, Statistics()).add(values)
        if node is self.graph.result:
            self.write(Box.of(region), values.float())
        elif node in self.files:
            self.files[node].write(region, values)

    def _know(self, made: Pass) -> None:
        """Give the norms the statistics that a finished pass has measured."""
        for node, norm in made.measured.items():
            norm.mean, norm.variance = self.statistics[node.name].mean, self.statistics[node.name].variance

    def _remember(self, number: int, done: int, now: bool = False) -> None:
        """Save where it stands, now and then."""
        if not now and time.monotonic() - self.saved < SAVED_EVERY:
            return
        self.sync()
        for file in self.files.values():
            file.sync()
        standing = self.standing
        standing.number, standing.done = number, done
        standing.statistics = {name: known.state() for name, known in self.statistics.items()}
        standing.save(self.scratch)
        self.saved = time.monotonic()

    def _free(self, made: Pass) -> None:
        """Remove what no later pass reads."""
        for node in made.last:
            file = self.files.pop(node)
            file.close()
            file.path.unlink()
