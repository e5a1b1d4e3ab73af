"""Trainings as processes of their own, which go on without the app: started, stopped, and found again by their folders.

A training is started with the words that a person would type. What it says goes to train_log.txt in its folder, and
.started.json remembers which process it was, .stopping which one was asked to stop.
"""
from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import psutil

from options.groups import TrainCommandOptions
from runs.lock import HOLDER, LOCK, last_holder
from runs.run_folder import LOGS, holds_a_run, run_files
from studio.endings import Ending, how_it_ended
from studio.new_lines import ending
from studio.processes import alive, began, has_open
from studio.progress_bar import last_bar
from studio.training_words import Asked
from util.errors import UserError
from util.files import write_atomically

LOG, STARTED, STOPPING = "train_log.txt", ".started.json", ".stopping"


class AlreadyThere(UserError):
    """The folder holds a run: is it to be gone on with, or replaced?"""


@dataclass(frozen=True)
class Started:
    """A process that the app started. began: when it says that it did; at: when the app started it, both in seconds
    since 1970; machine: its name; line: the command, as a person types it.
    """

    pid: int
    began: float
    at: float
    machine: str
    line: str
    model: str
    data: str


@dataclass(frozen=True)
class Standing:
    """How a training stands. state: starting, running, stopping, stopped, finished or died.

    said: why, for one that died, '' when it was killed; line: the command, '' when the app did not start it; epoch,
    last_epoch, images_per_s, seconds_left: 0 while unknown.
    """

    name: str
    state: str
    said: str
    model: str
    data: str
    line: str
    epoch: int
    last_epoch: int
    images_per_s: float
    seconds_left: float

    @property
    def at_work(self) -> bool:
        """Whether its process is alive."""
        return self.state in ("starting", "running", "stopping")


class Trainings:
    """All trainings in a folder of runs, whoever started them."""

    def __init__(self, checkpoints: Path):
        self.checkpoints = checkpoints
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # by run; of this app, which asks how they ended
        self._one = threading.Lock()

    def names(self) -> list[str]:
        """The runs, and those that ended before they were one; what was trained last comes first."""
        folders = self.checkpoints.iterdir() if self.checkpoints.is_dir() else []
        found = [path for path in folders if self._is_inside(path) and ((path / STARTED).exists() or run_files(path))]
        return [path.name for path in sorted(found, key=_when, reverse=True)]

    def standing(self, name: str) -> Standing:
        """How one of them stands."""
        folder = self.checkpoints / name
        started, options, row = started_in(folder), _options(folder), _last_losses(folder)
        process = self.process(name)
        end = Ending(self._at_work(folder, process)) if process else _ended(folder, started, row)
        if end.state == "starting":  # the folder may still show the run before
            options, row = {}, {}
        epoch, last_epoch, pace, left = _pace(folder, row, options, bool(process and started))
        if started and (minutes := options.get("max_minutes")):
            left = max(0.0, min(left, started.at + 60 * minutes - time.time()))
        return Standing(name, end.state, end.said,
                        str(options.get("model") or (started.model if started else "")),
                        str(options.get("dataroot") or (started.data if started else "")),
                        started.line if started else "", epoch, last_epoch, pace, left)

    def process(self, name: str) -> psutil.Process | None:
        """The process that trains in this run, or is about to; None when none does."""
        if name in self._children:
            self._children[name].poll()  # so that it is gone when it has ended
        folder = self.checkpoints / name
        started, holder = started_in(folder), last_holder(folder)
        if started and started.machine == platform.node() and (process := alive(started.pid, started.began)):
            return process
        process = alive(holder) if holder else None
        return process if process and has_open(process, folder / LOCK) else None

    def start(self, asked: Asked) -> None:
        """Start what was asked for. AlreadyThere when its folder holds a run that it says nothing about, UserError when
        that run is being trained.
        """
        opt = asked.options.view(TrainCommandOptions)
        folder = self.checkpoints / opt.name
        with self._one:
            if process := self.process(opt.name):
                raise UserError(f"{opt.name} is being trained (process {process.pid}); wait for it, stop it, or give "
                                "another name")
            if holds_a_run(folder) and not (opt.continue_train or opt.overwrite):
                raise AlreadyThere(f"{folder} already holds a run. Go on with it, give another name, or start anew, "
                                   "which removes it")
            _add_to(folder / LOG, f"$ {asked.line}")
            child = self._children[opt.name] = asked.line.start(folder / LOG)
            started = Started(child.pid, began(child.pid), time.time(), platform.node(), str(asked.line), opt.model,
                              opt.dataroot)
            write_atomically(folder / STARTED, json.dumps(asdict(started)))

    def stop(self, name: str) -> None:
        """Ask the training to save its state and end, as Ctrl-C does. UserError when it does not run, or was asked."""
        with self._one:
            process = self.process(name)
            if not process:
                raise UserError(f"{name} is not being trained")
            if _is_stopping(self.checkpoints / name, process):  # a second signal would end it before it has saved
                raise UserError(f"{name} was asked to stop: it ends when the step is done and its state is saved. "
                                f"If it hangs, end process {process.pid}; it then goes on from the last save")
            write_atomically(self.checkpoints / name / STOPPING, _identity(process))
            try:
                process.send_signal(signal.SIGINT)
            except (psutil.Error, ValueError) as error:  # it has just ended, or belongs to somebody else
                raise UserError(f"{name} cannot be asked to stop ({error}); look again, or press Ctrl-C where it was "
                                "started") from None

    def _is_inside(self, path: Path) -> bool:
        """Whether this is a folder that may be read, and no link to one elsewhere."""
        return (path.is_dir() and os.access(path, os.R_OK | os.X_OK)
                and path.resolve().is_relative_to(self.checkpoints.resolve()))

    def _at_work(self, folder: Path, process: psutil.Process) -> str:
        """What a process that is alive does."""
        if _is_stopping(folder, process):
            return "stopping"
        return "running" if last_holder(folder) == process.pid else "starting"


def _identity(process: psutil.Process) -> str:
    """Its number, and when it began: no other process of this machine has both."""
    return f"{process.pid} {began(process.pid)}"


def _is_stopping(folder: Path, process: psutil.Process) -> bool:
    """Whether this process was asked to stop, by whatever app."""
    with suppress(OSError):
        return (folder / STOPPING).read_text(encoding="utf-8") == _identity(process)
    return False


def _ended(folder: Path, started: Started | None, row: Mapping[str, Any]) -> Ending:
    """How the last training in the folder ended: told by its log, or by its numbers when the app did not start it."""
    if started:
        return how_it_ended(_since_start(folder))
    done = row.get("eta_s") == 0 or "ended early" in ending(folder / LOGS[0], 1000)
    return Ending("finished" if done else "stopped")


def _pace(folder: Path, row: Mapping[str, Any], options: Mapping[str, Any], ours: bool
          ) -> tuple[int, int, float, float]:
    """Epoch, last epoch, images a second and seconds left: by the newest line of losses or, of a training of `ours`
    that is at work, by its bar when that is newer.
    """
    bar = last_bar(_since_start(folder)) if ours else None
    if bar and bar.done > _number(row, "total"):
        return bar.epoch, bar.last_epoch, bar.images_per_s, bar.seconds_left
    last = _number(options, "n_epochs") + _number(options, "n_epochs_decay")
    return int(_number(row, "epoch")), int(last), _number(row, "images_per_s"), _number(row, "eta_s")


def _number(row: Mapping[str, Any], name: str) -> float:
    """A number in a file that others may have written; 0 for what is none."""
    value = row.get(name)
    return value if isinstance(value, int | float) and isfinite(value) else 0


def _since_start(folder: Path) -> str:
    """What the last training that the app started there wrote, at least the end of it."""
    return ending(folder / LOG).rpartition("\n$ ")[2]


def started_in(folder: Path) -> Started | None:
    """What the app remembers of the last training in the folder; None when it was started elsewhere."""
    with suppress(OSError, ValueError, TypeError, LookupError, OverflowError):
        row = json.loads((folder / STARTED).read_text(encoding="utf-8"))
        started = Started(int(row["pid"]), float(row["began"]), float(row["at"]), str(row["machine"]), str(row["line"]),
                          str(row["model"]), str(row["data"]))
        if last_holder(folder) == started.pid or _changed(folder / HOLDER) <= started.at:
            return started
    return None


def _options(folder: Path) -> dict[str, Any]:
    """The values in train_opt.json; {} while there are none, or when they are no values."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        rows = json.loads((folder / "train_opt.json").read_text(encoding="utf-8"))
        return {name: row["value"] for name, row in rows.items()}
    return {}


def _last_losses(folder: Path) -> dict[str, Any]:
    """The newest line of metrics.jsonl that tells of losses; {} when there is none."""
    for line in reversed(ending(folder / LOGS[1]).splitlines()):
        with suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and "losses" in row:
                return row
    return {}


def _when(folder: Path) -> float:
    """When the folder was trained in last, or a training was started."""
    return max(_changed(folder / name) for name in (STARTED, LOGS[1], "train_opt.json"))


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _add_to(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
