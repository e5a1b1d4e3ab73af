"""The metric that a training follows: which epoch is best, and for how long none was better."""
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runs.run_folder import BEST
from util.files import write_atomically
from util.torchrun import rank


@dataclass
class Followed:
    """metric: its name, '' for the first that the model measures; higher: whether more of it is better; kept: whether
    the weights of the best epoch are; on: what it is measured on, in words.

    values: of all validations so far, as a rate schedule takes them, lower is better. epoch: of the best one, 0 while
    there is none; without: validations since then.
    """

    metric: str = ""
    higher: bool = False
    kept: bool = False
    on: str = ""
    values: list[float] = field(default_factory=list)
    epoch: int = 0
    best: float = math.inf  # as in `values`
    without: int = 0

    def add(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """What was measured after `epoch`; returns whether it is the best so far. NaN never is."""
        self.metric = self.metric or next(iter(metrics))
        value = -metrics[self.metric] if self.higher else metrics[self.metric]
        self.values.append(value)
        if value < self.best:
            self.epoch, self.best, self.without = epoch, value, 0
            return True
        self.without += 1
        return False

    @property
    def value(self) -> float:
        """The best value, as it was measured."""
        return -self.best if self.higher else self.best

    def exhausted(self, most: int) -> str:
        """Why the training should end, after `most` validations without a better one (0: never do), or ''."""
        if most <= 0 or self.without < most:
            return ""
        validations = "validation" if self.without == 1 else "validations"
        return f"--early_stop {most}: {self.without} {validations} without a better one; {self.describe()}"

    def describe(self) -> str:
        """The best one, in words."""
        if not self.epoch:
            return f"no value of {self.metric} was a number"
        return f"best {self.metric}: {self.value:.4f}, of epoch {self.epoch}"

    def state(self) -> dict[str, Any]:
        """What to go on with after a stop, beside the values."""
        return {"metric": self.metric, "kept": self.kept, "on": self.on, "epoch": self.epoch, "best": self.best,
                "without": self.without}

    def load_state(self, values: Sequence[float], state: Mapping[str, Any]) -> list[str]:
        """Restore both; a notice when the best epoch is counted anew: of another metric or on other images, or because
        it was not kept.

        state: what `state` gave; {} where an earlier version wrote the values alone.
        """
        before, on = state.get("metric", ""), state.get("on", "")
        if before and self.metric and before != self.metric:
            return [f"note: this training followed {before} and follows {self.metric} from now on: its best epoch is "
                    "counted anew, and --lr_policy plateau begins with the whole rate again"]
        self.values, self.metric = list(values), self.metric or before
        if not state:
            return []
        if on and self.on and on != self.on:
            return [f"note: {self.metric} was measured on {on} and is measured on {self.on} from now on: its best "
                    "epoch is counted anew"]
        self.on = self.on or on
        if self.kept and not state["kept"]:
            return [f"note: the best epoch by {self.metric} was not kept until now and is counted anew"]
        self.epoch, self.best, self.without = state["epoch"], state["best"], state["without"]
        return []


def write_best(folder: Path, followed: Followed) -> None:
    """Say beside the best weights which epoch they are of; of several processes the first one does."""
    if rank() == 0:
        best = {"epoch": followed.epoch, "metric": followed.metric, "value": followed.value}
        write_atomically(folder / BEST, json.dumps(best) + "\n")


def describe_best(folder: Path) -> str:
    """Which epoch the best weights in a run's folder are of, in words; '' where that is not known."""
    try:
        best = json.loads((folder / BEST).read_text(encoding="utf-8"))
        value = f"{best['metric']} {float(best['value']):.4f}"
        return f"epoch {int(best['epoch'])}, {value} when it was validated, as with --eval"
    except (OSError, ValueError, TypeError, LookupError):
        return ""
