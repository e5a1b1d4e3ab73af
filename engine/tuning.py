"""When a model's ways to compute are chosen, by which process, and what is said about it."""
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch

from engine.autotune import FEWEST, Chosen, choose, chosen_from
from engine.distributed import from_rank_0
from engine.layer_calls import Calls, calls_of_step, calls_of_translation
from engine.race import LAYOUTS, Autocast, Stopwatch
from models.contract import Batch, Model
from util.torchrun import world_size


class Tuning:
    """Chooses before the first step or translation, once. on: whether at all; else everything stays as it is.

    layouts: the static choice, by network, as it is in force; fixed: it stays. verbose: notices show the times too.
    watch: what the time is told by.
    """

    def __init__(self, model: Model, on: bool, autocast: Autocast, precision: str, verbose: bool = False,
                 watch: Stopwatch | None = None):
        self.model, self.on, self.autocast, self.precision = model, on, autocast, precision
        self.verbose, self.watch = verbose, watch
        self.layouts: dict[str, str] = {}
        self.fixed = False
        self.chosen: Chosen | None = None  # not yet
        self.notices: list[str] = []
        self.one_at_a_time = threading.Lock()

    def laid_out(self, layouts: Mapping[str, torch.memory_format]) -> None:
        """Tell which layout each network has by the static choice."""
        names = {memory_format: name for name, memory_format in LAYOUTS.items()}
        self.layouts |= {net: names[layout] for net, layout in layouts.items()}

    def before_step(self, batch: Batch) -> None:
        """Choose for training steps on such batches, in process 0 for all."""
        if self.on and self.chosen is None:
            self._take(chosen_from(from_rank_0(lambda: asdict(self._found(lambda: self._calls_of_step(batch))))))

    def before_translation(self, batch: Batch) -> None:
        """Choose for translations of such batches. Several processes need not translate equally many: nothing is
        chosen there.
        """
        if self.on and self.chosen is None and world_size() == 1:
            with self.one_at_a_time:
                if self.chosen is None:
                    self._take(self._found(lambda: {self.model.merge: calls_of_translation(self.model, batch,
                                                                                          self.autocast)}))

    def _calls_of_step(self, batch: Batch) -> dict[bool, Calls]:
        merged = calls_of_step(self.model, batch, self.autocast, self.model.merge)
        if not self.model.merge:
            return {False: merged}
        separate = calls_of_step(self.model, batch, self.autocast, merge=False)
        return {True: merged} if separate.of == merged.of else {True: merged, False: separate}

    def _found(self, find: Callable[[], dict[bool, Calls]]) -> Chosen:
        try:
            calls = find()
            if next(iter(calls.values())).multiplications < FEWEST or _counts_over_processes(self.model):
                return Chosen()
            chosen, how = choose(calls, self.layouts, self.fixed, self.autocast, self.precision, self.watch)
        except Exception as error:  # whatever it is, the networks can do without
            reason = (str(error).splitlines() or [""])[0]
            self.notices.append(f"autotune: everything is left as it is ({type(error).__name__}: {reason})")
            return Chosen()
        self.notices.append(f"autotune: {chosen.told()} ({how})")
        self.notices += chosen.table if self.verbose else []
        return chosen

    def _take(self, chosen: Chosen) -> None:
        chosen.apply(dict(self.model.nets.items()))
        chosen.apply(dict(self.model.averaged.items()))
        if chosen.merge is not None:
            self.model.merge = chosen.merge
        self.chosen = chosen

    def state(self) -> dict[str, Any] | None:
        """What was chosen, plain; None: nothing yet."""
        return asdict(self.chosen) if self.chosen is not None else None

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take what a training's state recorded, whatever this machine remembers. One without it knew no choice."""
        if self.on and state.get("chosen", {}) is not None:
            self._take(chosen_from(state.get("chosen", {})))


def _counts_over_processes(model: Model) -> bool:
    """Whether layers wait for other processes, so that none can be timed in one of them."""
    return world_size() > 1 and any(isinstance(layer, torch.nn.SyncBatchNorm) for layer in model.nets.modules())
