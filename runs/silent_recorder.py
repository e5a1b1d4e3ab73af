"""What stands for the recorder in all processes but the first."""
from collections.abc import Mapping

from runs.followed import Followed
from runs.moment import Moment
from runs.pace import Stopwatch
from runs.progress import Progress
from runs.recorder import Recorder, Visuals
from runs.validation import Measured


class SilentRecorder(Recorder):
    """Keeps time; writes and shows nothing."""

    def __init__(self) -> None:
        self.clock, self.progress = Stopwatch(), Progress(0, silent=True)

    def after_step(self, moment: Moment, lr: float, losses: Mapping[str, float], visuals: Visuals | None, last: bool
                   ) -> None:
        """Nothing: the first process records it."""

    def warn(self, line: str) -> None:
        """Nothing."""

    def validated(self, moment: Moment, measured: Measured, followed: Followed) -> None:
        """Nothing."""

    def end_early(self, why: str) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def update_page(self, moment: Moment) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
