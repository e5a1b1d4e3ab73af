"""What stands for the recorder in all processes but the first."""
from typing import Any

from runs.pace import Stopwatch
from runs.recorder import Moment, Progress, Recorder


class SilentRecorder(Recorder):
    """Keeps time; writes and shows nothing."""

    def __init__(self) -> None:
        self.clock, self.progress = Stopwatch(), Progress(0, silent=True)

    def after_step(self, *step: Any) -> None:
        """Nothing: the first process records it."""

    def warn(self, line: str) -> None:
        """Nothing."""

    def update_page(self, moment: Moment) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
