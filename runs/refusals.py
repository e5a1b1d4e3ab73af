"""Steps whose update was refused, because a loss or a gradient was not finite: told, or the end of the training."""
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from engine.distributed import everyone
from engine.step_result import NotFinite, StepResult
from models.contract import Batch
from runs.moment import Moment
from util.errors import MachineError


class Refusals:
    """Asks each step in its turn; on a GPU some steps later, since asking waits for it.

    on_nan: 'stop' or 'skip', as --on_nan. count: of the steps that were refused.
    """

    def __init__(self, folder: Path, on_nan: str):
        self.folder, self.on_nan, self.count = folder, on_nan, 0
        self.unasked: deque[tuple[StepResult, Moment, list[str]]] = deque()

    def add(self, result: StepResult, moment: Moment, batches: Sequence[Batch]) -> None:
        """Remember a step to ask. moment: after it; batches: those it learned from."""
        self.unasked.append((result, moment, [path for batch in batches for path in batch["A_paths"]]))

    def told(self, leave: int = 0) -> list[str]:
        """A line for each step, but the newest `leave`, of which an update was refused.

        MachineError, with what to try, when the training is to stop there.
        """
        lines = []
        while len(self.unasked) > leave:
            result, moment, paths = self.unasked.popleft()
            try:
                result.require_finite()
            except NotFinite as error:
                place = f"in epoch {moment.epoch} after {moment.images} images, with {', '.join(paths)}"
                named = next(filter(None, everyone(f"{error} {place}" if error.term else "")), f"{error} {place}")
                if self.on_nan == "stop":
                    raise MachineError(
                        f"{named}.\nThe last good state is kept in {self.folder}. Try a lower --lr, another --gan_mode "
                        "or --norm, look at these images, or leave such updates out with --on_nan skip") from None
                self.count += 1
                lines.append(f"warning: {named}; the update is left out, {self.count} so far")
        return lines
