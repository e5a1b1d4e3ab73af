"""What stands for the recorder in all processes but the first."""
from collections.abc import Mapping

from runs.moment import Moment
from runs.pace import Stopwatch
from runs.progress import Progress
from runs.recorder import Recorder, Visuals


class SilentRecorder(Recorder):
    """Keeps time; writes and shows nothing."""

    def __init__(self) -> None:
        self.clock, self.progress = Stopwatch(), Progress(0, silent=True)

    def after_step(self, moment: Moment, lr: float, losses: Mapping[str, float], visuals: Visuals | None, last: bool
                   ) -> None:
        """Nothing: the first process records it."""

    def warn(self, line: str) -> None:
        """Nothing."""

    def validated(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def update_page(self, moment: Moment) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
