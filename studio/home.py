"""What the app may read and write: some folders, and nothing outside them."""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runs.run_folder import run_files
from util.errors import UserError


@dataclass(frozen=True)
class Home:
    """datasets: the folders of images, as the person gave them; what is dropped goes to the first. checkpoints: the
    folder of the runs; results: that of the translations.
    """

    datasets: tuple[Path, ...]
    checkpoints: Path
    results: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them."""
        return (*self.datasets, self.checkpoints, self.results)

    def inside(self, path: str | os.PathLike[str]) -> Path:
        """The path, absolute and without links. UserError when that is in none of the folders."""
        try:
            found = Path(path).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a name with a zero byte, too long, a loop of links
            raise UserError(f"{os.fspath(path)!r} is no path ({error})") from None
        if not any(found.is_relative_to(folder.resolve()) for folder in self.folders):
            raise UserError(f"{path} is outside the folders that the app was started with: "
                            f"{', '.join(map(str, self.folders))}. To use it, start the app with it: "
                            f"python app.py {path}")
        return found

    def folder_inside(self, path: str | os.PathLike[str]) -> Path:
        """A folder, as `inside` gives it, from which no link leads outside. UserError otherwise."""
        found = self.inside(path)
        if not found.is_dir():
            raise UserError(f"{path} is not a folder")
        for link in _links(found):
            self.inside(link)
        return found

    def runs(self) -> list[str]:
        """The names of the runs, those with a training under way included; the one that changed last comes first."""
        found = [folder for folder in _folders_in(self.checkpoints) if run_files(folder)]
        return [folder.name for folder in sorted(found, key=lambda folder: -folder.stat().st_mtime)]

    def run(self, name: str) -> Path:
        """The folder of a run, which need not be there yet. UserError for a name that is none."""
        if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
            raise UserError(f"{name!r} is no name for a run; give a word without / such as maps_1")
        return self.inside(self.checkpoints / name)


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _links(folder: Path) -> Iterator[Path]:
    """The links in a folder, at any depth; it does not go through them."""
    for parent, folders, files in os.walk(folder):
        yield from (path for name in _sorted(folders, files) if (path := Path(parent, name)).is_symlink())


def _sorted(*names: Iterable[str]) -> list[str]:
    return sorted(name for some in names for name in some)
