"""What a line of losses tells: their means over the steps since the line before it."""
import torch
from torch import Tensor

from engine.distributed import mean
from engine.step_result import StepResult


class LossMeans:
    """Adds up the losses of steps on their device, without waiting for a GPU at each. Steps that are refused do not
    count."""

    def __init__(self, device: torch.device):
        self.device = device
        self.dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no wider numbers
        self.sums: dict[tuple[str, ...], Tensor] = {}  # by the losses that a step tells: their sums, and the steps'

    def add(self, result: StepResult) -> None:
        """One more step."""
        names, told = tuple(result.losses), result.told
        if names not in self.sums:
            self.sums[names] = torch.zeros_like(told, dtype=self.dtype)
        self.sums[names] += told.where(told[-1] > 0, torch.zeros_like(told))

    def take(self) -> dict[str, float]:
        """The mean of each loss over the steps since this was last called, and over the processes, which must call it
        together. Without a loss that no step told."""
        sums: dict[str, Tensor] = {}
        steps: dict[str, Tensor] = {}
        for names, values in self.sums.items():
            for name, value in zip(names, values, strict=False):  # the last one is the number of steps
                sums[name] = sums.get(name, 0) + value
                steps[name] = steps.get(name, 0) + values[-1]
        self.sums = {}
        told = {name: sums[name] / steps[name] for name in sums if steps[name] > 0}
        return {name: value.item() for name, value in mean(told).items()} if told else {}

    def state(self) -> list[tuple[list[str], Tensor]]:
        """What `load_state` restores; of this process alone."""
        return [(list(names), values.cpu()) for names, values in self.sums.items()]

    def load_state(self, state: list[tuple[list[str], Tensor]]) -> None:
        """Restore what `state` gave."""
        self.sums = {tuple(names): values.to(self.device, self.dtype) for names, values in state}
