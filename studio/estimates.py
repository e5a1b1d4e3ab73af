"""How long a training will take: images times epochs, over images a second."""
from __future__ import annotations

import json
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

import data
from data.transforms import Preprocess
from models.network_options import image_sizes
from options.groups import TrainCommandOptions
from options.saved import differences, read_saved
from options.schema import OptionError, Options
from runs.run_folder import LOGS
from studio.endings import how_it_ended
from studio.lines import Line
from studio.new_lines import NewLines, ending
from studio.processes import kill_with_children
from studio.training_words import Asked
from studio.trainings import Trainings, started_in
from util.errors import UserError

NO_MATTER = {  # options that a step takes as long with
    "dataroot", "direction", "seed", "n_epochs", "n_epochs_decay", "lr", "beta1", "lr_policy", "lr_decay_iters",
    "input_range", "output_range", "value_range", "phase", "print_freq", "display_freq", "update_html_freq",
    "save_latest_freq", "save_epoch_freq", "save_by_iter", "no_html", "val_freq", "val_phase", "val_metrics",
    "val_samples", "best_metric", "early_stop", "display_id", "display_winsize", "max_dataset_size", "lambda_A",
    "lambda_B", "lambda_L1", "no_flip", "serial_batches", "on_nan"}
STEPS, SECONDS = 6, 6.0  # that a measurement rests on, beside the first step, which is slower
LONGEST = 90.0  # seconds that it may take, the start included
IMAGES = 64  # that it looks at


@dataclass(frozen=True)
class Rate:
    """Images a second: slow and fast around the middle one. found: how that is known."""

    slow: float
    middle: float
    fast: float
    found: str


@dataclass(frozen=True)
class Estimate:
    """How long a training will take. images: an epoch; epochs: in all; minutes: that it may take, 0 for no limit."""

    images: int
    epochs: int
    rate: Rate
    minutes: float = 0

    @property
    def seconds(self) -> float:
        """What all epochs take."""
        return self.images * self.epochs / self.rate.middle

    @property
    def epochs_in_time(self) -> float | None:
        """How many epochs the minutes are enough for; None when for all, or when there is no limit."""
        fitting = 60 * self.minutes * self.rate.middle / self.images
        return fitting if self.minutes > 0 and fitting < self.epochs else None

    def __str__(self) -> str:
        least, most = (in_words(self.images * self.epochs / rate) for rate in (self.rate.fast, self.rate.slow))
        between = f" ({least} to {most})" if least != most else ""
        limited = self.epochs_in_time
        return (f"**about {in_words(self.seconds)}**{between} for {self.epochs} epochs of {self.images} images at "
                f"{self.rate.middle:.3g} images/s"
                + (f"; it stops after {self.minutes:g} minutes, in which about {limited:.3g} epochs are done, and can "
                   "go on from there" if limited is not None else "")
                + f". {self.rate.found} Validating and saving come on top.")


def in_words(seconds: float) -> str:
    """A duration for people: '40 s', '12 min', '3.5 h', '2.1 days'."""
    for unit, length, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < most * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if unit != "h" or value >= 10 else f"{value:.2g} h"
    return f"{seconds / 86400:.2g} days"


def images_of(options: Options) -> int:
    """How many images an epoch has. UserError when there are none."""
    opt = options.view(TrainCommandOptions)
    dataset = data.find(opt.dataset_mode)(options, Preprocess(options, *image_sizes(options, training=True)))
    return len(dataset)


def estimate(asked: Asked, rate: Rate) -> Estimate:
    """The estimate for a command at a rate."""
    opt = asked.options.view(TrainCommandOptions)
    return Estimate(images_of(asked.options), opt.n_epochs + opt.n_epochs_decay, rate, opt.max_minutes)


class Pace:
    """Estimates, and the rates that they rest on: those measured since the app was started, or of earlier runs."""

    def __init__(self, trainings: Trainings):
        self.trainings = trainings
        self._measured: list[tuple[Options, Rate]] = []
        self._one = threading.Lock()  # two measurements would slow each other down

    def known(self, asked: Asked) -> str:
        """The estimate in words; '' where no rate is known."""
        rate = self._rate(asked)
        return str(estimate(asked, rate)) if rate else ""

    def timed(self, asked: Asked) -> str:
        """The estimate in words; where no rate is known, it is measured now. UserError as `measured` raises it."""
        images_of(asked.options)  # refused at once when there are none
        with self._one:
            if not self._rate(asked):
                self._measured.append((asked.options, measured(asked, self.trainings)))
        return self.known(asked)

    def _rate(self, asked: Asked) -> Rate | None:
        for options, rate in self._measured:
            if _as_fast(asked.options, options.as_dict()):
                return rate
        return from_an_earlier_run(asked, self.trainings)


def _as_fast(options: Options, before: Mapping[str, Any]) -> bool:
    """Whether a step takes as long as with other options."""
    return before.get("gpu_ids") == options.as_dict()["gpu_ids"] and not (
        differences(options, before).keys() - NO_MATTER)


def from_an_earlier_run(asked: Asked, trainings: Trainings) -> Rate | None:
    """The rate of the newest run that the app started on this machine with settings that take as long; None when there
    is none.
    """
    for name in trainings.names():
        folder = trainings.checkpoints / name
        started = started_in(folder)
        if not started or started.machine != platform.node():
            continue
        with suppress(OptionError):
            before, _ = read_saved(folder, asked.options.declared)
            if not before or not _as_fast(asked.options, before):
                continue
            if rates := _rates(ending(folder / LOGS[1]).splitlines())[-20:]:
                return _rate(rates, f"That was the pace of {name}, which had the same settings on this machine: a good "
                                    "guide, when the images are of about the same size.")
    return None


def measured(asked: Asked, trainings: Trainings) -> Rate:
    """The rate of some real steps with the same settings, in a process of its own, whose folder is removed afterwards.

    UserError, with its last words, when it fails; the training would fail likewise.
    """
    with tempfile.TemporaryDirectory(prefix="bothways_estimate_") as place:
        folder, log = Path(place, "steps"), Path(place, "log.txt")
        opt = asked.options.view(TrainCommandOptions)
        child = _short(asked.line, place, opt.batch_size * opt.grad_accum).start(log)
        process = psutil.Process(child.pid)
        try:
            rates = _watch(child, NewLines(folder / LOGS[1]), log)
        finally:
            kill_with_children(process)
            child.wait()
    counted = rates[1:] or rates
    busy = sum(trainings.standing(name).at_work for name in trainings.names())
    beside = f", beside {busy} trainings at work: alone it is faster" * bool(busy)
    sure = f"a rough guess from {len(counted)}" if len(counted) < STEPS else f"a fair guess from {len(counted)}"
    return _rate(counted, f"Measured just now on this machine, {sure} steps{beside}.")


def _short(line: Line, place: str, batch: int) -> Line:
    """The command with the same steps, of which each is logged, on few images, in another folder. It ends by itself
    where the app has no time to end it.
    """
    return Line(line.command, (
        *line.words, "--name", "steps", "--checkpoints_dir", place, "--overwrite", "false",
        "--max_minutes", f"{2 * LONGEST / 60:g}",
        "--max_dataset_size", str(max(IMAGES, batch)), "--n_epochs", "1000000", "--print_freq", str(batch),
        "--display_id", "0", "--no_html", "--val_freq", "0", "--save_epoch_freq", "0",
        "--save_latest_freq", "1000000000"))


def _watch(child: subprocess.Popen[bytes], lines: NewLines, log: Path) -> list[float]:
    """The rates of its steps, once they are enough. UserError when it ends before."""
    rates: list[float] = []
    began, first = time.monotonic(), 0.0
    while True:
        ended = child.poll() is not None
        rates += _rates(lines.read())
        now = time.monotonic()
        first = first or (now if rates else 0.0)
        if len(rates) > STEPS and now - first > SECONDS:
            return rates
        if ended:
            raise UserError("the steps that were to be timed failed: "
                            + (how_it_ended(ending(log)).said or "they were killed, perhaps for too little memory"))
        if now - began > LONGEST:
            if rates:
                return rates
            raise UserError(f"not one step was done in {LONGEST:.0f} s, the start included; smaller images, or a "
                            "recipe for a CPU (toy_...), are faster")
        time.sleep(0.2)


def _rates(lines: Sequence[str]) -> list[float]:
    """Images a second of each line of metrics.jsonl that tells them."""
    rates: list[float] = []
    for line in lines:
        with suppress(ValueError, LookupError, TypeError):  # of validations, or half a line
            rates.append(float(json.loads(line)["images_per_s"]))
    return [rate for rate in rates if 0 < rate < float("inf")]


def _rate(rates: Sequence[float], found: str) -> Rate:
    """The middle of several, and how far they lie apart."""
    in_order = sorted(rates)
    return Rate(in_order[len(in_order) // 4], median(in_order), in_order[-1 - len(in_order) // 4], found)
