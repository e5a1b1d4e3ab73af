"""A training by keywords, in this process: for notebooks and scripts."""
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from door.asking import ask
from door.commands import load_command
from engine.distributed import Agreement
from engine.processes import joined_processes
from engine.shortage import explain_shortage
from options.groups import TrainCommandOptions
from runs.run_folder import LOGS
from runs.stop import StopRequest
from util.notices import say


@dataclass(frozen=True)
class Trained:
    """A training that is over. folder: of the run, for bothways.load; losses: the last that were logged, by name;
    stopped: why it ended early ('--max_minutes 5', 'SIGTERM'), else ''. It is saved in any case.
    """

    folder: Path
    losses: Mapping[str, float]
    stopped: str = ""


def train(keywords: Mapping[str, Any]) -> Trained:
    """Train as train.py does with these options. UserError and OptionError as there; KeyboardInterrupt after Ctrl-C,
    when the state is saved, or at once after a second one.
    """
    command = load_command("train")
    options = ask(command.COMMAND, keywords, command.adopt_run)
    say(options.notices)
    opt = options.view(TrainCommandOptions)
    with joined_processes(), explain_shortage(command.MEMORY_ADVICE), \
            StopRequest(opt.max_minutes, Agreement(), _interrupt) as stop:
        command.train(options, stop)
    folder = Path(opt.checkpoints_dir, opt.name)
    if stop.reason == signal.SIGINT.name:
        raise KeyboardInterrupt(f"{folder} is saved; continue_train=True goes on with it")
    return Trained(folder, _last_losses(folder), stop.reason)


def _interrupt(number: int) -> None:
    """Leave the training, but not the process, which may hold more than it: a notebook, another thread's work."""
    raise KeyboardInterrupt("stopped at once; continue_train=True goes on from what was saved before")


def _last_losses(folder: Path) -> dict[str, float]:
    log = folder / LOGS[1]
    rows = map(json.loads, log.read_text(encoding="utf-8").splitlines() if log.is_file() else [])
    return next((row["losses"] for row in reversed(list(rows)) if "losses" in row), {})
