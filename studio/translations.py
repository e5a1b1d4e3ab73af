"""Translations that a person asked for: each a folder with its pictures, made by test.py in a process of its own."""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from data.folders import list_images
from runs.run_folder import WEIGHTS
from runs.trained_run import saved_prefixes
from studio.home import Home
from studio.lines import line
from studio.processes import alive, began, kill_with_children
from studio.unpacking import unpack
from util.errors import UserError
from util.files import replacing, write_atomically

FOLDER = "from_the_app"  # in the folder of a run's results
ASKED = "asked.json"  # written last: without it a folder is none of these
State = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class Translation:
    """One that was asked for. asked: what stands in its file ASKED; its `process`: the number, and when it began."""

    folder: Path
    asked: dict[str, Any]

    @property
    def title(self) -> str:
        """What it is called in a list."""
        return f"{self.asked['run']}, {self.asked['when']}, {self.asked['count']} pictures"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def sources(self) -> list[Path]:
        """The pictures that were given."""
        return list_images(self.folder / "input")

    def made(self) -> list[tuple[Path, Path]]:
        """The pictures that are translated, each behind its source."""
        outputs = list_images(self.folder / "output")
        by_stem = {_stem(path, self.folder / "output"): path for path in outputs}
        found = []
        for source in self.sources():
            whole = str(source.relative_to(self.folder / "input"))
            made = by_stem.get(whole) or by_stem.get(_stem(source, self.folder / "input"))
            found += [(source, made)] if made else []
        return found

    def words(self) -> str:
        """What test.py has said."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


def _stem(path: Path, root: Path) -> str:
    return str(path.relative_to(root).with_suffix(""))


class Translations:
    """All of a home, and the processes among them that this app started."""

    def __init__(self, home: Home):
        self.home = home
        self.started: dict[Path, subprocess.Popen[bytes]] = {}

    def all(self) -> list[Translation]:
        """Those that are there, the newest first."""
        folders = sorted(self.home.results.glob(f"*/{FOLDER}/*/{ASKED}"), key=lambda path: path.parent.name)
        return [found for path in reversed(folders) if (found := _read(path.parent.resolve()))]

    def of(self, folder: str) -> Translation:
        """The translation in a folder. UserError when there is none."""
        found = _read(self.home.inside(folder)) if folder else None
        if found is None:
            raise UserError(f"there is no translation in {folder or 'no folder'} any more; choose another one")
        return found

    def start(self, flags: dict[str, Any], dropped: Sequence[Path]) -> Translation:
        """Begin to translate dropped pictures, or zips of them. flags: of test.py, beside where pictures lie and go.

        UserError for a run that is not there, and for what is no picture.
        """
        if not dropped:
            raise UserError("no pictures were dropped; drop those that are to be translated")
        now = datetime.now()
        run = self.home.run(flags["name"])
        folder = self.home.inside(self.home.results / run.name / FOLDER / now.strftime("%Y-%m-%d_%H-%M-%S-%f")[:-3])
        folder.mkdir(parents=True)
        try:
            notices = unpack(dropped, folder / "input")
            elsewhere = {} if self.home.checkpoints == Path("checkpoints") else {
                "checkpoints_dir": self.home.shown(self.home.checkpoints)}
            command = line("test", {"dataroot": self.home.shown(folder / "input"), **flags, **elsewhere,
                                    "output": self.home.shown(folder / "output") + os.sep})
            asked = {"run": run.name, "when": now.strftime("%d %b %Y, %H:%M:%S"), "command": str(command),
                     "count": len(list_images(folder / "input")), "notices": notices}
            child = self.started[folder] = command.start(folder / "log.txt")
            asked["process"] = [child.pid, began(child.pid)]
            write_atomically(folder / ASKED, json.dumps(asked, indent=1) + "\n")
        except BaseException:
            if folder in self.started:
                self.started.pop(folder).kill()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return Translation(folder, asked)

    def state(self, translation: Translation) -> State:
        """Whether it is under way, or has ended, and how."""
        if translation.folder in self.started:
            self.started[translation.folder].poll()  # so that it is gone when it has ended
        if alive(*translation.asked["process"]):
            return "running"
        return "done" if re.search(r"^output: ", translation.words(), re.MULTILINE) else "failed"

    def stop(self, translation: Translation) -> None:
        """End a translation, whichever app started it; what is translated stays."""
        if process := alive(*translation.asked["process"]):
            kill_with_children(process)


def _read(folder: Path) -> Translation | None:
    try:
        asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        return Translation(folder, {"run": str(asked["run"]), "when": str(asked["when"]), "count": int(asked["count"]),
                                    "command": str(asked["command"]), "notices": list(map(str, asked["notices"])),
                                    "process": [int(asked["process"][0]), float(asked["process"][1])]})
    except (OSError, ValueError, LookupError, TypeError):
        return None


def pack(translation: Translation, folder: Path) -> Path:
    """A zip of the translated pictures as test.py wrote them, in a folder. They are stored: pictures are small already.
    """
    path = folder / f"{translation.folder.parent.parent.name}_{translation.folder.name}.zip"
    if not path.exists():
        with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
            for made in sorted((translation.folder / "output").rglob("*")):
                own = made.relative_to(translation.folder / "output")
                if made.is_file() and not any(part.startswith(".") for part in own.parts):  # half a file, the journal
                    archive.write(made, own)
    return path


def errors_in(words: str) -> str:
    """Why a command failed: from its error on, else the last line of a traceback; '' when it does not say so."""
    if (at := words.rfind("error: ")) >= 0:
        return words[at:]
    return words.strip().splitlines()[-1] if "Traceback " in words else ""


@dataclass(frozen=True)
class Generators:
    """What a save of a run holds. both_ways: a generator for each direction; means: running means of the weights."""

    both_ways: bool
    means: bool


def saves(run: Path) -> dict[str, dict[str, Any]]:
    """What a run has saved, in words, with the flags of test.py that choose it; the newest first."""
    found: dict[str, dict[str, Any]] = {}
    saved = [save for save in reversed(saved_prefixes(run)) if any(run.glob(f"{save}_net_G*.pth"))]
    for save in sorted(saved, key=lambda save: (save != "latest", save != "best")):
        if save == "latest":
            found["latest: the last one"] = {}
        elif save == "best":
            found["best: the best one when validated"] = {"epoch": "best"}
        elif save.startswith("iter_"):
            found[f"after {save.removeprefix('iter_')} pictures"] = {"load_iter": save.removeprefix("iter_")}
        else:
            found[f"epoch {save}"] = {"epoch": save}
    return found


def generators(run: Path, flags: dict[str, Any]) -> Generators:
    """What can be chosen of a save, which these flags choose."""
    save = f"iter_{flags['load_iter']}" if "load_iter" in flags else flags.get("epoch", "latest")
    names = {path.name for path in run.glob(WEIGHTS)}
    return Generators({f"{save}_net_G_A.pth", f"{save}_net_G_B.pth"} <= names,
                      any(re.fullmatch(rf"{re.escape(save)}_net_G.*_ema\.pth", name) for name in names))
