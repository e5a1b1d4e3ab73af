"""A training step recorded as CUDA graphs: the GPU repeats hundreds of kernels without being told each of them."""
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from util.errors import MachineError

Images = dict[str, Tensor]
Compute = Callable[[Any, Sequence[Mapping[str, Any]], list[Images], dict[str, Tensor]], Tensor]
"""compute(section, batches, images, losses): a section's work on the device; completes images and losses, and gives
whether all losses so far are finite."""
Outcome = tuple[dict[str, Tensor], Images, Tensor]


class RecordedStep:
    """Computes the first steps one kernel at a time; records the next one, section by section, and replays it from then on.

    What a section's `recall` decides on the host happens between two graphs. Batches of another size than the recorded
    one, such as the last of an epoch, are computed one kernel at a time.
    """

    WARM_UP = 3  # steps in which libraries choose their algorithms and optimizers make their state

    def __init__(self, sections: Sequence[Any], compute: Compute):
        self.sections, self.compute = sections, compute
        torch.backends.cudnn.benchmark = True  # tries the algorithms for each size, of which there are few
        self.stream = torch.cuda.Stream()
        self.shapes: dict[str, torch.Size] = {}
        self.steps = 0  # in a row with these shapes
        self.possible = True
        self.graphs: list[torch.cuda.CUDAGraph] = []
        self.batch: dict[str, Any] = {}
        self.images: Images = {}
        self.losses: dict[str, Tensor] = {}
        self.finite = torch.tensor(True)

    def step(self, batch: Mapping[str, Any]) -> Outcome:
        """One training step: (losses, images, whether the losses are finite). batch: tensors on the GPU."""
        shapes = {name: value.shape for name, value in batch.items() if isinstance(value, Tensor)}
        if self.graphs and shapes == self.shapes:
            self._replay(batch)
            return self.losses, self.images, self.finite
        if not self.graphs:
            self.steps = self.steps + 1 if shapes == self.shapes else 1
            self.shapes = shapes
            if self.steps > self.WARM_UP and self.possible:
                try:
                    self._record(batch)
                    return self.losses, self.images, self.finite
                except RuntimeError as error:
                    self._give_up(error)
        return self._one_by_one(batch)

    def _give_up(self, error: RuntimeError) -> None:
        """Go on without recording; MachineError when a part of this step has been computed already."""
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if self.graphs:
            raise MachineError(f"the step could not be recorded: {reason}\ngive --cuda_graph off") from None
        self.possible = False
        self.batch, self.images, self.losses = {}, {}, {}
        print(f"note: steps are not recorded ({reason}); --cuda_graph off does not try")

    def _one_by_one(self, batch: Mapping[str, Any]) -> Outcome:
        images: Images = {}
        losses: dict[str, Tensor] = {}
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for section in self.sections:
                if section.recall:
                    images |= section.recall(images)
                finite = self.compute(section, [batch], [images], losses)
        torch.cuda.current_stream().wait_stream(self.stream)
        return losses, images, finite

    def _record(self, batch: Mapping[str, Any]) -> None:
        """Records each section and runs it once: this is a step like any other."""
        self.batch = {name: value.clone() if isinstance(value, Tensor) else value for name, value in batch.items()}
        self.images, self.losses = {}, {}
        for section in self.sections:
            if section.recall:
                self.images |= {name: image.clone() for name, image in section.recall(self.images).items()}
            for optimizer in section.optimizers:
                optimizer.zero_grad()  # the graph makes its own gradients
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self.graphs[0].pool() if self.graphs else None, stream=self.stream,
                                  capture_error_mode="thread_local"):  # another thread pins memory meanwhile
                self.finite = self.compute(section, [self.batch], [self.images], self.losses)
            graph.replay()
            self.graphs.append(graph)

    def _replay(self, batch: Mapping[str, Any]) -> None:
        for name, value in batch.items():
            if isinstance(value, Tensor):
                self.batch[name].copy_(value, non_blocking=True)
        for section, graph in zip(self.sections, self.graphs, strict=True):
            if section.recall:
                for name, image in section.recall(self.images).items():
                    self.images[name].copy_(image, non_blocking=True)
            graph.replay()
