"""The two logs of a training: loss_log.txt for people, metrics.jsonl for programs."""
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from runs.moment import Moment
from runs.pace import Pace


class LossLog:
    """loss_log.txt with the classic line, and the same as JSON, a line each, in metrics.jsonl.

    What was measured stands there twice: as a dict, and flat, "loss/G_A", as a table (pandas.read_json) wants it.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int] | None = None):
        """sizes: of both files when the state was saved from which the training goes on; what came after is cut off."""
        self.text, self.metrics = folder / "loss_log.txt", folder / "metrics.jsonl"
        if sizes is None:
            self._append(self.text, f"================ Training Loss ({time.ctime()}) ================")
        else:
            for path in (self.text, self.metrics):
                path.touch()
                os.truncate(path, min(sizes[path.name], path.stat().st_size))

    def sizes(self) -> dict[str, int]:
        """The sizes of both files in bytes, by name."""
        return {path.name: path.stat().st_size if path.exists() else 0 for path in (self.text, self.metrics)}

    def write(self, moment: Moment, lr: float, pace: Pace, losses: Mapping[str, float]) -> str:
        """Append one line; returns that of loss_log.txt."""
        terms = " ".join(f"{name}: {value:.3f}" for name, value in losses.items())
        line = (f"(epoch: {moment.epoch}, iters: {moment.images}, time: {pace.compute:.3f}, data: {pace.data:.3f}) "
                f"{terms} ")
        self._append(self.text, line)
        self._append(self.metrics, json.dumps(
            {"epoch": moment.epoch, "images": moment.images, "total": moment.total, "lr": lr,
             "time": pace.compute, "data": pace.data, "images_per_s": pace.images_per_s, "eta_s": pace.eta_s,
             "losses": dict(losses), **_flat("loss", losses)}))
        return line

    def write_validation(self, epoch: int, metrics: Mapping[str, float]) -> str:
        """Append what was measured on held-out images after `epoch`; returns the line of loss_log.txt."""
        line = f"validation of epoch {epoch}: " + " ".join(f"{name}: {value:.4f}" for name, value in metrics.items())
        self._append(self.text, line)
        self._append(self.metrics, json.dumps(
            {"epoch": epoch, "validation": dict(metrics), **_flat("validation", metrics)}))
        return line

    def note(self, line: str) -> None:
        """Append a line of words to loss_log.txt."""
        self._append(self.text, line)

    @staticmethod
    def _append(path: Path, line: str) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def _flat(kind: str, numbers: Mapping[str, float]) -> dict[str, float]:
    """`numbers` under names that say what they are: "loss/G_A"."""
    return {f"{kind}/{name}": number for name, number in numbers.items()}
