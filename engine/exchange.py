"""Gradients averaged over the processes while backward still computes others: torch's DistributedDataParallel."""
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

from engine.low_rank import LowRank, low_rank_hook
from models.contract import Images, Losses, Update
from util.torchrun import world_size


class Learners(nn.Module):
    """The parameters that learn together. Called with an update's losses, and with the images that they look at.

    The networks themselves stay outside and unwrapped: they keep their names, may be used several times, and may have
    made the images before. What is averaged is whatever reaches the parameters.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]):
        super().__init__()
        self.learning = nn.ParameterList(dict.fromkeys(parameters))  # networks may share layers
        # DistributedDataParallel warns when it is told to look for parameters that no loss reaches and finds none
        self.unreached = nn.Parameter(torch.zeros_like(self.learning[0].flatten()[:1]))

    def forward(self, losses: Callable[[Images], Losses], images: Images) -> dict[str, Tensor]:
        """The named losses of these images."""
        return dict(losses(images))


class Exchange:
    """Computes losses of updates such that their backward averages the gradients over the processes.

    Alone it only computes the losses. All processes must ask for the same updates in the same order.
    compress: how gradients travel: 'none', as they are; 'bf16', in 16 bits; 'powersgd', see engine/low_rank.py.
    """

    def __init__(self, nets: nn.ModuleDict, compress: str = "none"):
        self.nets, self.compress = nets, compress
        self.of: dict[tuple[str, ...], DistributedDataParallel] = {}
        self.low_rank: dict[tuple[str, ...], LowRank] = {}
        self.saved: dict[str, Any] = {}  # of low_rank, for updates that were not asked for yet
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # of 1x1 kernels

    def losses(self, update: Update, images: Images) -> dict[str, Tensor]:
        """The named losses of the update."""
        if world_size() == 1:
            return dict(update.losses(images))
        losses: dict[str, Tensor] = self._learners(update)(update.losses, images)
        return losses

    def put_off(self, update: Update, off: bool) -> AbstractContextManager[None]:
        """Within it, if `off`, each process adds up its own gradients, which a backward outside of it averages."""
        return self._learners(update).no_sync() if off and world_size() > 1 else nullcontext()

    def _learners(self, update: Update) -> DistributedDataParallel:
        """The wrapper of an update's parameters, made when it is first needed.

        It looks for parameters that no loss reaches, as some have none for a while. Without that it would also order
        its buckets anew after the first step, and a training that goes on would add up in another order than before.
        """
        if update.nets not in self.of:
            parameters = [parameter for name in update.nets for parameter in self.nets[name].parameters()]
            wrapped = DistributedDataParallel(Learners(parameters), init_sync=False,  # they are the same already
                                              find_unused_parameters=True, gradient_as_bucket_view=True)
            if self.compress == "bf16":
                wrapped.register_comm_hook(None, bf16_compress_hook)
            elif self.compress == "powersgd":
                state = self.low_rank[update.nets] = LowRank(self.saved.pop(" ".join(update.nets), {}))
                wrapped.register_comm_hook(state, low_rank_hook)
            self.of[update.nets] = wrapped
        return self.of[update.nets]

    def remembered(self, update: Update) -> Mapping[str, Mapping[int, Tensor]]:
        """A copy of what compression remembers of the update's gradients; empty where it remembers nothing."""
        return self.low_rank[update.nets].copy_memory() if update.nets in self.low_rank else {}

    def take_back(self, update: Update, before: Mapping[str, Mapping[int, Tensor]], moved: Tensor) -> None:
        """Let compression remember what it did `before` an update, unless that `moved` its networks."""
        if update.nets in self.low_rank:
            self.low_rank[update.nets].take_back(before, moved)

    def state(self) -> dict[str, Any]:
        """What compression remembers in this process, to go on exactly."""
        return {**self.saved, **{" ".join(nets): state.state() for nets, state in self.low_rank.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave. An empty one, of a training without compression, begins anew."""
        self.saved = dict(state)
