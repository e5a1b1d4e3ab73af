"""A training step recorded as CUDA graphs: the GPU repeats hundreds of kernels without being told each of them."""
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.section import Section, Work
from models.contract import Batch, Images
from util.torchrun import world_size

Compute = Callable[[Section, Sequence[Batch], Work], Work]
"""A section's work on the device, from what the step has made so far."""
Recall = Callable[[Section, Images], Images]
"""What a section's updates remember of earlier steps."""


class HostRandomness(RuntimeError):
    """A step drew random numbers on the host, which a recording would repeat for ever."""


def can_record(device: torch.device, precision: str, plain: bool, one_size: bool, batches: int, recompute: bool
               ) -> bool:
    """Whether steps may be recorded: on an NVIDIA GPU, where every step does the same.

    one_size: all images have one size; batches: of a step; recompute: activations are computed again for the gradient.
    Not with fp16, whose scale of the loss has not been tried in a recording, nor with several processes, whose exchange
    of gradients has not.
    """
    return (device.type == "cuda" and not plain and precision != "fp16" and world_size() == 1
            and one_size and batches == 1 and not recompute)


class RecordedStep:
    """Computes the first steps one kernel at a time; records the next one, section by section, and replays it then.

    What a section's `recall` decides on the host happens between two graphs. Batches of another size than the recorded
    one, such as the last of an epoch, are computed one kernel at a time; so is everything when recording fails.
    """

    WARM_UP = 3  # steps in which libraries choose their algorithms and optimizers make their state

    def __init__(self, sections: Sequence[Section], compute: Compute, recall: Recall, device: torch.device):
        self.sections, self.compute, self.recall, self.device = sections, compute, recall, device
        self.stream = torch.cuda.Stream()
        self.shapes: dict[str, torch.Size] = {}
        self.steps = 0  # in a row with these shapes
        self.possible = True
        self.notices: list[str] = []  # for the user, since they were last read
        self.batch: dict[str, Any] = {}
        self.graphs: list[torch.cuda.CUDAGraph] = []
        self.before: list[Work] = []  # what each graph begins with
        self.after: list[Work] = []  # what each graph writes

    def step(self, batch: Batch) -> Work:
        """One training step. batch: tensors on the GPU."""
        shapes = {name: value.shape for name, value in batch.items() if isinstance(value, Tensor)}
        if self.graphs and shapes == self.shapes:
            return self._replay(batch)
        if not self.graphs:
            self.steps = self.steps + 1 if shapes == self.shapes else 1
            self.shapes = shapes
            if self.steps > self.WARM_UP and self.possible:
                return self._record(batch)
        return self._one_by_one(batch, Work.begin(self.device), self.sections)

    def _one_by_one(self, batch: Batch, work: Work, sections: Sequence[Section]) -> Work:
        """The work of these sections, one kernel at a time, from what the step has made so far."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for section in sections:
                work = work.remembering([self.recall(section, made) for made in work.images])
                work = self.compute(section, [batch], work)
        torch.cuda.current_stream().wait_stream(self.stream)
        return work

    def _record(self, batch: Batch) -> Work:
        """Records each section and runs it once: this is a step like any other."""
        self.batch = _copies(batch)
        work = Work.begin(self.device)
        for number, section in enumerate(self.sections):
            work = work.remembering([_copies(self.recall(section, made)) for made in work.images])
            try:
                graph, after = self._capture(section, work)
            except RuntimeError as error:
                self._give_up(error)
                return self._one_by_one(self.batch, work, [Section(section.updates, None), *self.sections[number + 1:]])
            graph.replay()
            self.graphs.append(graph)
            self.before.append(work)
            self.after.append(work := after)
        return work

    def _capture(self, section: Section, work: Work) -> tuple[torch.cuda.CUDAGraph, Work]:
        """A graph of a section's work, and what it will write. Raises RuntimeError when that cannot be recorded."""
        graph, host = torch.cuda.CUDAGraph(), _host_randomness()
        pool = self.graphs[0].pool() if self.graphs else None
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(  # the first: a failure leaves no stream
                graph, pool=pool, stream=self.stream, capture_error_mode="thread_local"):  # others pin memory meanwhile
            after = self.compute(section, [self.batch], work)
        if _host_randomness() != host:
            names = ", ".join(update.name for update in section.updates)
            raise HostRandomness(f"{names}: random numbers were drawn on the host, which a recording would repeat; "
                                 "Model.draw and Update.recall are the places for them")
        return graph, after

    def _give_up(self, error: RuntimeError) -> None:
        """Go on without recording, and say so."""
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        self.possible = False
        self.graphs, self.before, self.after = [], [], []
        self.notices.append(f"note: steps are not recorded ({reason}); --cuda_graph off does not try")

    def _replay(self, batch: Batch) -> Work:
        _copy_into(self.batch, batch)
        work = Work.begin(self.device)
        for number, (section, graph) in enumerate(zip(self.sections, self.graphs, strict=True)):
            recalled = [self.recall(section, made) for made in work.images]
            known = self.before[number].images
            if any(made[name].shape != image.shape for made, more in zip(known, recalled, strict=True)
                   for name, image in more.items()):  # remembered from images of another size
                rest = [Section(section.updates, None), *self.sections[number + 1:]]
                return self._one_by_one(batch, work.remembering(recalled), rest)
            for made, more in zip(known, recalled, strict=True):
                _copy_into(made, more)
            graph.replay()
            work = self.after[number]
        return work


def _copies(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in values.items()}


def _copy_into(own: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Tensor):
            own[name].copy_(value, non_blocking=True)


def _host_randomness() -> tuple[object, ...]:
    """What tells whether random numbers were drawn on the host in between."""
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), repr(np.random.get_state(legacy=False))
