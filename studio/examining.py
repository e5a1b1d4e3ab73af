"""What the dataset doctor says of a folder, as datasets/check.py prints it, for the page."""
from __future__ import annotations

import threading
from pathlib import Path

import data
import models
from data.doctor import Told, diagnose, layout
from data.report import Report
from models.network_options import image_sizes
from options.command_line import Command, parse
from options.groups import TrainCommandOptions

MODELS = {"aligned": "pix2pix", "unaligned": "cycle_gan", "single": "cycle_gan"}  # whose networks' sizes are meant
COMMAND = Command("app.py", "train", "Check a dataset.", (TrainCommandOptions,), models.find, data.find, models.names,
                  data.names)


def examine(folder: Path, told: Told) -> Report:
    """Look at every picture in a folder, in this process: a server must not be copied. told: as `diagnose` calls it.

    Raises NoImages when there are none.
    """
    mode = layout(folder)
    options = parse(COMMAND, [f"--dataroot={folder}", "--model", MODELS[mode], "--dataset_mode", mode])
    return diagnose(options, *image_sizes(options, training=True), processes=1, told=told)


class Reports:
    """The reports of folders that were looked at, for as long as no file in them changed.

    A person who closes the page while a large folder is looked at finds the report when they come back.
    """

    def __init__(self) -> None:
        self.known: dict[Path, tuple[int, Report]] = {}
        self.looking = threading.Lock()  # at one folder at a time

    def of(self, folder: Path, told: Told) -> Report:
        """The report on a folder, a new one where a file in it changed since."""
        with self.looking:
            state = _state(folder)
            if folder not in self.known or self.known[folder][0] != state:
                self.known[folder] = state, examine(folder, told)
            return self.known[folder][1]


def _state(folder: Path) -> int:
    """A number that is another one when a file in the folder is added, removed or written."""
    files = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    return hash(tuple(sorted((path, status.st_size, status.st_mtime_ns) for path, status in files)))
