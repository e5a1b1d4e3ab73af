"""What a person dropped, as files in a folder: pictures as they are, archives unpacked, with names that do no harm."""
from __future__ import annotations

import lzma
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from data.folders import IMAGE_ENDINGS, is_image
from util.errors import UserError
from util.names import split_ending

LONGEST = 120  # bytes of a name
BLOCK = 1 << 20
HARMFUL = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # to Windows, whatever their ending


@dataclass(frozen=True)
class Limits:
    """files: how many; size: bytes of all of them; spare: bytes that stay free on the disk."""

    files: int = 200_000
    size: int = 64 << 30
    spare: int = 1 << 30


def unpack(dropped: Iterable[Path], folder: Path, limits: Limits | None = None) -> list[str]:
    """Bring the pictures among the dropped files into a new folder; those of a zip keep their folders, as names that
    any system takes. Returns notices about files that were passed over.

    A file's real content counts, whatever the archive says of it. Links are passed over; nothing is written outside of
    the folder.
    Raises UserError where there is no picture at all, for a damaged or a locked archive, and above the limits.
    """
    limits = limits or Limits()
    folder.mkdir(parents=True)
    taken: set[str] = set()
    passed: list[str] = []
    room = min(limits.size, shutil.disk_usage(folder).free - limits.spare)
    for path in dropped:
        with _damage_told(path):
            for name, opened in _pictures_in(path, passed):
                if len(taken) == limits.files:
                    raise UserError(f"more than {limits.files} files; leave some out, or put the folder where the app "
                                    "reads it")
                place = folder / _free(_sane(name), taken)
                place.parent.mkdir(parents=True, exist_ok=True)
                with opened() as source, place.open("xb") as target:
                    room -= _copy(source, target, room, path)
    if not taken:
        raise UserError("there is no picture that can be read" + (f", only {', '.join(passed[:5])}" if passed else "")
                        + f"; read are {' '.join(IMAGE_ENDINGS)} and .zip. Save others, such as .heic, as .png first")
    return [f"{len(passed)} of {len(passed) + len(taken)} files were passed over, since they are no pictures that can "
            f"be read: {', '.join(passed[:5])}" + (", ..." if len(passed) > 5 else "")] if passed else []


def _pictures_in(path: Path, passed: list[str]) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """The name of each picture in a dropped file, and how it is opened. passed: takes the names of other files."""
    if is_image(path):  # an .npz, which is a zip too, included
        yield path.name, lambda: path.open("rb")
        return
    if path.suffix.lower() != ".zip":  # a text of an office program is a zip too, with its pictures
        passed.append(path.name)
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            parts = entry.filename.replace("\\", "/").split("/")
            if entry.is_dir() or "__MACOSX" in parts or any(_hidden(part) for part in parts):
                continue
            if stat.S_ISLNK(entry.external_attr >> 16) or not is_image(Path(parts[-1])):
                passed.append(entry.filename)
            else:
                yield entry.filename, partial(archive.open, entry)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """What zipfile raises for an archive that cannot be read, as UserError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError
            ) as error:  # RuntimeError: it is locked
        raise UserError(f"{path.name} cannot be unpacked ({error}); pack it again, without a password") from None


def _hidden(part: str) -> bool:
    return part.startswith(".") and part not in (".", "..")


def _sane(name: str) -> PurePosixPath:
    """A relative path whose parts are plain names: nothing leads up, and nothing has a meaning to a system."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    plain = [HARMFUL.sub("_", part.encode(errors="replace").decode()).strip(" .") or "_" for part in parts] or ["_"]
    *above, last = [f"_{part}" if DEVICES.fullmatch(part) else part for part in plain]
    stem, ending = split_ending(last)
    return PurePosixPath(*(_cut(part, LONGEST) for part in above), _cut(stem, LONGEST - len(ending)) + ending)


def _cut(name: str, size: int) -> str:
    """The beginning of a name, at most so many bytes, of whole characters."""
    return name.encode()[:max(size, 1)].decode(errors="ignore")


def _free(path: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """The path, with a number where one of that name is taken; some systems know no difference of case."""
    stem, ending = split_ending(path.name)
    found, number = path, 1
    while str(found).lower() in taken:
        number += 1
        found = path.with_name(f"{stem}_{number}{ending}")
    taken.add(str(found).lower())
    return found


def _copy(source: IO[bytes], target: IO[bytes], room: int, origin: Path) -> int:
    """Copy; returns how many bytes. UserError when they are more than `room`."""
    done = 0
    while block := source.read(BLOCK):
        done += len(block)
        if done > room:
            raise UserError(f"{origin.name} unpacks to more than there is room for; make space, or put the folder "
                            "where the app reads it")
        target.write(block)
    return done
