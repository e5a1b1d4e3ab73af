"""The commands that the app starts: the same that a person would type, and shown as such."""
from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMANDS = Path(__file__).resolve().parents[1]  # train.py, test.py, ... stand beside the rooms, installed or not


@dataclass(frozen=True)
class Line:
    """A command and its words. str() gives what a person would type in the folder that the app was started in.

    command: train, test, ...; words: everything behind it, not quoted.
    """

    command: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        words = ("python", f"{self.command}.py", *self.words)
        return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)

    @property
    def argv(self) -> list[str]:
        """What is started."""
        return [sys.executable, str(COMMANDS / f"{self.command}.py"), *self.words]

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start it as a process of its own, which stays when the app ends. What it says is added to the file `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            return subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}, start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0))


def line(command: str, flags: Mapping[str, Any]) -> Line:
    """A command with flags: line("train", {"name": "maps", "batch_size": 4, "eval": True}).

    True stands for a flag without a value; None and False leave it out; a list has several values.
    """
    words: list[str] = []
    for flag, value in flags.items():
        if value is None or value is False:
            continue
        values = [] if value is True else [str(one) for one in (value if isinstance(value, list | tuple) else [value])]
        if len(values) == 1 and values[0][:1] in ("-", "@", ""):  # else they would count as a flag or a file of words
            words.append(f"--{flag}={values[0]}")
        else:
            words += [f"--{flag}", *values]
    return Line(command, tuple(words))
