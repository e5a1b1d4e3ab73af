"""Whether the generators of a CycleGAN hide their input in their answer, looked for while a run translates."""
from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from engine.engine import Engine
from metrics.hiding import HidingCheck
from runs.translating import Translated

LOOKED_AT = 20  # images: each costs four more passes of a generator
CYCLES = {"fake_B": ("real_A", "G_B"), "fake_A": ("real_B", "G_A")}  # by the fake: its source, and what leads back


class Hiding:
    """Looks at the first translations of a model that has a way back; others pass by."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.checks = {fake: HidingCheck() for fake in CYCLES} if {"G_A", "G_B"} <= set(engine.model.nets) else {}
        self.seen = 0

    def watch(self, made: Iterable[Translated]) -> Iterator[Translated]:
        """The same batches. Random numbers and statistics of the networks are left as they are."""
        for batch in made:
            if self.seen < LOOKED_AT:
                self._look(batch)
            yield batch

    def warnings(self) -> list[str]:
        """What was found, for each direction in which something was."""
        found = {fake: check.warning() for fake, check in self.checks.items() if self.seen}
        return [f"{fake}: {warning}" for fake, warning in found.items() if warning]

    def _look(self, batch: Translated) -> None:
        self.seen += len(batch.names)
        device = self.engine.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []), self.engine.model.same_statistics():
            for fake, check in self.checks.items():
                source, way_back = CYCLES[fake]
                check.add(_shown(batch.images[source]), _shown(batch.images[fake]),
                          partial(_back, self.engine.model.nets[way_back]))


def _shown(images: Tensor) -> Tensor:
    """[-1, 1] to [0, 1]."""
    return (images.float() + 1) / 2


def _back(net: nn.Module, fake: Tensor) -> Tensor:
    """The source of a fake, both in [0, 1]."""
    return _shown(net(2 * fake - 1))
