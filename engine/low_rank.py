"""Gradients sent as products of small matrices: PowerSGD (Vogels, Karimireddy, Jaggi 2019), as torch implements it."""
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributed import GradBucket
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState, powerSGD_hook
from torch.futures import Future

EXACT = 1000  # steps at the beginning, when gradients change most, in which they travel as they are
REMEMBERED = ("error_dict", "p_memory_dict", "q_memory_dict")  # by bucket: what was not sent yet, and both factors


class LowRank(PowerSGDState):
    """What the compression remembers between steps, with a way to save it."""

    __slots__ = ()

    def __init__(self, saved: Mapping[str, Any]):
        """saved: what `state` gave; empty to begin anew."""
        super().__init__(None, start_powerSGD_iter=EXACT)
        if saved:
            self.iter = saved["steps"]
            name, keys, *rest = saved["random"]
            self.rng.set_state((name, keys.numpy(), *rest))
            for remembered in REMEMBERED:
                setattr(self, remembered, dict(saved[remembered]))

    def state(self) -> dict[str, Any]:
        """All that going on needs: tensors and plain data."""
        random: Any = self.rng.get_state()
        name, keys, *rest = random
        return {"steps": self.iter, "random": [name, torch.from_numpy(keys.astype("int64")), *rest], **self.memory()}

    def memory(self) -> dict[str, dict[int, Tensor]]:
        """What is remembered now, by kind and bucket."""
        return {remembered: dict(getattr(self, remembered)) for remembered in REMEMBERED}

    def copy_memory(self) -> dict[str, dict[int, Tensor]]:
        """The same as a copy, which the next exchange leaves alone."""
        return {kind: {bucket: tensor.clone() for bucket, tensor in of.items()} for kind, of in self.memory().items()}

    def take_back(self, before: Mapping[str, Mapping[int, Tensor]], moved: Tensor) -> None:
        """Remember what was remembered `before` if `moved`, a boolean scalar, is false: NaN would stay for ever."""
        for kind, of in self.memory().items():
            for bucket, tensor in of.items():
                if bucket in before.get(kind, {}):
                    tensor.copy_(tensor.where(moved, before[kind][bucket]))
                elif not moved:  # asked once only, when compression begins
                    del getattr(self, kind)[bucket]


def low_rank_hook(state: LowRank, bucket: GradBucket) -> Future[Tensor]:
    """The mean of a bucket's gradients over the processes, of rank one.

    It is waited for: the parts of torch's hook start exchanges of their own when the one before has come, and gloo
    needs all exchanges in the same order in all processes.
    """
    future = powerSGD_hook(state, bucket)
    future.wait()
    return future
