"""What the app may read and write: some folders, and nothing outside them."""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.folders import PHASES, is_image, natural_key
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

    @staticmethod
    def shown(path: Path) -> str:
        """The path as a person would type it in the folder that the app was started in."""
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    def sets(self) -> dict[str, Path]:
        """The folders that hold images in a layout that can be trained or looked at, by what they are called here."""
        found: dict[str, Path] = {}
        for home in self.datasets:
            named = {"" if folder == home else folder.name: folder
                     for folder in [home, *_sorted(_folders_in(home))] if _holds_images(folder)}
            above = f"{home.resolve().name}/" if len(self.datasets) > 1 else ""
            found |= {f"{above}{name}".rstrip("/") or home.resolve().name: folder for name, folder in named.items()}
        return found

    def runs(self) -> list[str]:
        """The names of the runs, those with a training under way included; the one that changed last comes first."""
        found = [folder for folder in _folders_in(self.checkpoints) if run_files(folder)]
        return [folder.name for folder in sorted(found, key=lambda folder: -folder.stat().st_mtime)]

    def run(self, name: str) -> Path:
        """The folder of a run, which need not be there yet. UserError for a name that is none."""
        return self.inside(self.checkpoints / require_name(name, "run"))


def require_name(name: str, of: str) -> str:
    """The name, without blanks around it. UserError when it cannot be that of a folder. of: what it is for, in words.
    """
    name = name.strip()
    if not name:
        raise UserError(f"the {of} has no name yet; give a word or two, such as maps_1")
    if name.startswith(".") or not name.isprintable() or any(mark in name for mark in "/\\") or len(name) >= 100:
        raise UserError(f"{name!r} is no name for a {of}; give a word or two, such as maps_1, without / and \\")
    return name


def _holds_images(folder: Path) -> bool:
    """Whether there are images in the folder, or where those of a training or a test lie in it; not if it is closed."""
    places = [folder / f"{phase}{side}" for phase in PHASES for side in ("", "A", "B", "/A", "/B", "/a", "/b")]
    with suppress(OSError):
        return any(is_image(path) for place in [folder, *places] if place.is_dir() for path in place.iterdir())
    return False


def _folders_in(folder: Path) -> list[Path]:
    """The folders in it that are not hidden, and may be read."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir()
            if path.is_dir() and not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK)]


def _links(folder: Path) -> Iterator[Path]:
    """The links in a folder, at any depth; it does not go through them."""
    for parent, folders, files in os.walk(folder):
        yield from (path for name in [*folders, *files] if (path := Path(parent, name)).is_symlink())


def _sorted(folders: Iterable[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: natural_key(folder, folder.parent))
