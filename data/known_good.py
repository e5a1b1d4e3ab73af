"""What is remembered of files that were found good: they are not opened again until their size or date changes."""
import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import __version__ as pillow

from data.integrity import Look
from raster.names import split_page
from util.files import replacing
from util.user_cache import user_cache

FORMAT = 1  # of the file; another one, or other checks, need another number
SETTLED = 2.0  # seconds since a file's date after which a change would be seen by it; some file systems count in twos
SPARE = 100_000  # files of which more is remembered than was asked for
NO_MARK = (0, 0)
THREADS = 8
SLOW = 3e-5  # seconds for a file, from which threads are worth their changes
CHUNK, BLOCK = 1000, 64_000  # files that a thread, and all, are asked for at once
NUMBERS = ("width", "height", "pages", "channels")
FLAGS = ("alpha", "by_pillow", "void")


def marks(names: Sequence[bytes]) -> np.ndarray:
    """uint64 (files, 2): what tells each file, or page of it, from all others and from itself after a change.

    Of its whole path, its size, and its dates: that of its content, and that of its permissions. NO_MARK where it
    cannot be asked, or was written so shortly ago that a change may leave the date as it is.
    """
    here, latest = os.path.join(os.fsencode(os.getcwd()), b""), time.time_ns() - int(SETTLED * 1e9)
    def of_part(part: Sequence[bytes]) -> list[tuple[int, int]]:
        return [_mark(name, here, latest) for name in part]

    found = np.empty((len(names), 2), np.uint64)
    with ThreadPoolExecutor(THREADS) as pool:
        for begin in range(0, len(names), BLOCK):
            parts = [names[at:at + CHUNK] for at in range(begin, min(begin + BLOCK, len(names)), CHUNK)]
            asked = time.perf_counter()
            first = of_part(parts[0])
            slow = time.perf_counter() - asked > SLOW * len(first)  # a drive answers several at once; memory does not
            rows = pool.map(of_part, parts[1:]) if slow else map(of_part, parts[1:])
            found[begin:begin + BLOCK] = [*first, *(row for part in rows for row in part)]
    return found


def _mark(name: bytes, here: bytes, latest: int) -> tuple[int, int]:
    try:
        status = os.stat(name)
    except OSError:
        try:
            status = os.stat(split_page(Path(os.fsdecode(name)))[0])
        except (OSError, ValueError):
            return NO_MARK
    if status.st_mtime_ns > latest:
        return NO_MARK
    text = b"%s\0%d %d %d" % (name if os.path.isabs(name) else here + name, status.st_size, status.st_mtime_ns,
                              status.st_ctime_ns)
    mark = hashlib.blake2b(text, digest_size=16).digest()
    return int.from_bytes(mark[:8], "little"), int.from_bytes(mark[8:], "little")


class KnownGood:
    """The looks of files by their marks, as a file of the user's cache keeps them. Without such a file: none.

    A file that is damaged, or of another version, is as none; so is one that cannot be read or written.
    """

    def __init__(self, dataroot: Path, max_pixels: float):
        decides = repr((FORMAT, pillow, max_pixels, os.path.abspath(dataroot)))
        self.path = user_cache() / "good_images" / f"{hashlib.sha256(decides.encode()).hexdigest()[:32]}.good"
        self.known, self.which = np.empty((0, 2), np.uint64), np.empty(0, np.int32)
        self.looks: dict[Look, int] = {}  # by their places
        with suppress(Exception):  # whatever a damaged file makes of the reader
            self._read()

    def _read(self) -> None:
        with np.load(self.path, allow_pickle=False) as held:  # which compares a checksum
            marks, which, looks = held["marks"], held["which"], _unpacked(held["looks"])
        places = {look: place for place, look in enumerate(looks)}
        whole = marks.shape == (len(which), 2) and marks.dtype == np.uint64 and len(places) == len(looks)
        if whole and ((which >= 0) & (which < len(looks))).all():
            self.known, self.which, self.looks = marks, which, places

    def marks(self, names: Sequence[bytes]) -> np.ndarray:
        """uint64 (files, 2): what tells each file from all others and from itself after a change."""
        return marks(names)

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """int32: the places of the looks of these files in `looks`, -1 of those that are not known. wanted: marks."""
        places = np.searchsorted(self.known[:, 0], wanted[:, 0])
        found = np.full(len(wanted), -1, np.int32)
        if len(self.known):
            near = np.minimum(places, len(self.known) - 1)
            hit = (self.known[near] == wanted).all(1) & (wanted != NO_MARK).any(1)
            found[hit] = self.which[near[hit]]
        return found

    def place(self, look: Look) -> int:
        """The look's place in `looks`, a new one behind the others if it is not there."""
        return self.looks.setdefault(look, len(self.looks))

    def save(self, marks: np.ndarray, which: np.ndarray) -> None:
        """Remember these files too. which: int (files,), the places of their looks; -1: not to be remembered."""
        good = (which >= 0) & (marks != NO_MARK).any(1)
        marks, which = marks[good], which[good]
        if len(self.known) <= len(marks) + SPARE:  # else most are of files that are gone or have changed
            marks, which = np.concatenate([marks, self.known]), np.concatenate([which, self.which])
        order = np.lexsort(marks.T[::-1])
        marks, which = marks[order], which[order]
        first = np.append(True, (marks[1:] != marks[:-1]).any(1))[:len(marks)]
        used, which = np.unique(which[first], return_inverse=True)
        looks = list(self.looks)
        with suppress(OSError), replacing(self.path) as file:  # a cache is never worth an error
            np.savez(file, marks=marks[first], which=which.astype(np.int32),
                     looks=_packed([looks[place] for place in used]))


def _packed(looks: Sequence[Look]) -> np.ndarray:
    """A row for each. Whole numbers are kept beside floats, which hold no more than 53 bits of them."""
    kinds = [*((name, np.int64) for name in NUMBERS), *((name, bool) for name in FLAGS), ("dtype", "U16"),
             ("bounded", bool), ("least", "U24"), ("largest", "U24")]
    return np.array([(*look.size, look.pages, look.channels, look.alpha, look.by_pillow, look.void, look.dtype.str,
                      look.least is not None, repr(look.least), repr(look.largest)) for look in looks], kinds)


def _unpacked(rows: np.ndarray) -> list[Look]:
    looks = []
    for width, height, pages, channels, alpha, by_pillow, void, name, bounded, least, largest in rows.tolist():
        dtype = np.dtype(name)
        number = float if dtype.kind == "f" else int
        looks.append(Look((width, height), pages, channels, dtype, alpha, by_pillow,
                          number(least) if bounded else None, number(largest) if bounded else None, void))
    return looks
