"""What work on many files has done: a journal in the folder of its results, from which it goes on."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from runs.lock import locked
from util.errors import UserError
from util.files import remove_leftovers, write_atomically
from util.torchrun import rank

FOLDER = ".translated"
SETTINGS = "settings.json"
LINES = "*.jsonl"  # one file a process, to which it alone appends
ADVICE = "--overwrite translates all anew, another --output keeps both"


class Standing(NamedTuple):
    """Of a file: its size in bytes, and when it was last written, in ns. Content that changes changes it."""

    size: int
    date: int

    @classmethod
    def of(cls, path: Path) -> Standing | None:
        """Of the file at `path`; None where there is none."""
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return cls(status.st_size, status.st_mtime_ns)


class Entry(NamedTuple):
    """That a file was made. source: how that stood which it was made of; target: the file; made: how that stood."""

    source: Standing
    target: str
    made: Standing


class Journal:
    """The journal of a folder of results.

    An entry is one line, written in one go when its file is complete: a process may be killed at any moment. What
    counts is whether the files stand as their entry says, so that neither the order of entries matters, nor whether
    the disk has lost some.
    """

    def __init__(self, place: Path, settings: Mapping[str, Any], folder: str = FOLDER):
        """place: the folder of the results; settings: plain, all that decides them beside the files; folder: of the
        journal, in that."""
        self.place, self.folder, self.settings = place, place / folder, dict(settings)

    def require_same(self, overwrite: bool) -> None:
        """UserError when the folder's results were made with other settings; not with `overwrite`."""
        others = None if overwrite else self._others()
        if others is not None:
            raise UserError(f"{self.place} was begun with {others}. {ADVICE}" if others else
                            f"{self.folder / SETTINGS} is damaged, so nobody knows with what the files in {self.place} "
                            f"were made. {ADVICE}")

    def _others(self) -> str | None:
        """The settings of the folder's results that are other ones, '' where nobody knows; None where all are the same.
        """
        earlier = _read(self.folder / SETTINGS)
        if earlier is None:
            return None
        if not isinstance(earlier, dict):
            return ""
        return ", ".join(f"{name} {earlier[name]} (now {value})" for name, value in self.settings.items()
                         if earlier.get(name, value) != value) or None

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other process of this rank is at work in the folder. UserError when one is."""
        with locked(self.folder / f"{rank()}.lock", f"{self.place} is being written"):
            yield

    def begin(self) -> dict[str, Entry]:
        """What is done, by the names that `note` was given. Forgets what was made with other settings, and removes what
        killed processes left half written. For one process alone, which holds it.
        """
        known = (self.folder / SETTINGS).exists()
        if known:
            remove_leftovers(self.place)
        if not known or self._others() is not None:
            for path in self.folder.glob(LINES):  # first: entries never stand beside settings that are not theirs
                path.unlink()
        write_atomically(self.folder / SETTINGS, json.dumps(self.settings, indent=1) + "\n")
        return self.entries()

    def entries(self) -> dict[str, Entry]:
        """What was made, by the names that `note` was given: the newest of each."""
        found: dict[str, Entry] = {}
        for path in self.folder.glob(LINES):
            for name, entry in _entries(path):
                if name not in found or found[name].made.date <= entry.made.date:
                    found[name] = entry
        return found

    def is_done(self, entry: Entry | None, source: Standing | None) -> bool:
        """Whether what an entry says is so: the file was made of the source as it stands, and is still that file."""
        return entry is not None and entry.source == source and Standing.of(self.place / entry.target) == entry.made

    @contextmanager
    def writing(self) -> Iterator[Notes]:
        """Takes entries of this process."""
        with open(self.folder / LINES.replace("*", str(rank())), "ab+", buffering=0) as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")  # behind a line that a kill cut off
            yield Notes(self.place, file)


class Notes:
    """Where entries are written."""

    def __init__(self, place: Path, file: Any):
        self.place, self.file = place, file

    def __call__(self, name: str, source: Standing, target: Path) -> None:
        """`target` is complete, made of the source that stood so. Raises OSError."""
        made = Standing.of(target)
        if made is not None:
            row = [name, *source, os.path.relpath(target, self.place), *made]
            self.file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def name_of(*what: object) -> str:
    """A short name for a piece of work, by all that tells it from others."""
    return blake2b("\n".join(map(str, what)).encode(errors="surrogateescape"), digest_size=10).hexdigest()


def _read(path: Path) -> Any:
    """What a JSON file holds; None where there is none, False where it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        return False


def _entries(path: Path) -> Iterator[tuple[str, Entry]]:
    """The entries of a file, the last one of a name last; without lines that are cut off."""
    with path.open("rb") as file:
        for line in file:
            try:
                name, size, date, target, made_size, made_date = json.loads(line)
            except (ValueError, TypeError):
                continue
            yield name, Entry(Standing(size, date), target, Standing(made_size, made_date))
