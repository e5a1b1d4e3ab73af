"""Local copies of remote shards: whole, as many as a number of bytes allows, one for all processes of a machine.

Where they are and how much they may take is in the environment, which processes that are started or forked inherit.
"""
from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from filelock import FileLock, Timeout

from shards.names import is_remote, url_of
from shards.remote import Stat, fetch, stat
from util.errors import UserError
from util.user_cache import user_cache

GIGABYTE = 10**9
FOLDER, BYTES = "BOTHWAYS_SHARD_CACHE", "BOTHWAYS_SHARD_CACHE_BYTES"  # in the environment
DEFAULT_BYTES = 20 * GIGABYTE
COPY = re.compile(r"[0-9a-f]{16}-.+")  # its name; all else in the folder is somebody else's
PART = re.compile(rf"({COPY.pattern})\.(\d+)\.part")  # with the bytes that it will have
LOCKS = 32  # files by whose locks a shard is fetched once; shards that share one wait for each other
NOTED_EVERY = 10.0  # seconds after which the use of a copy is noted again

# In this process:
_stats: dict[Path, Stat] = {}  # what the server said of a shard, which must stay so while a process works
_found: dict[Path, tuple[Path, float]] = {}  # where its copy is, and when its use was noted


class Kept(NamedTuple):
    """A copy in the folder."""

    used: float  # when, as time.time()
    size: int
    path: Path


def keep(folder: str, gigabytes: float) -> None:
    """Where copies are from now on, '' for the user's cache, and how much they may take together."""
    os.environ[FOLDER] = str(Path(folder).absolute()) if folder else ""
    os.environ[BYTES] = str(int(gigabytes * GIGABYTE))
    _found.clear()
    _stats.clear()


def local(shard: Path) -> Path:
    """The shard, or a file beside it, as a local file: itself, or its copy, which is fetched where it is not there yet.

    A copy stays while it is used every few seconds; who reads on must ask again. UserError, which names the shard, when
    it is not there, closed, or larger than all that may be kept; MachineError when the server does not give it.
    """
    if not is_remote(shard):
        return shard
    path, noted = _found.get(shard, (None, 0.0))
    if path and time.monotonic() - noted < NOTED_EVERY:
        return path
    if path is None or not _note_use(path):
        path = _copy(shard)
    _found[shard] = path, time.monotonic()
    return path


@contextmanager
def opened(shard: Path) -> Iterator[BinaryIO]:
    """The shard, open to be read without a buffer; while it is, it is there even if its copy has to go."""
    file: BinaryIO | None = None
    while file is None:
        try:
            file = open(local(shard), "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:  # its copy went since
            if _found.pop(shard, None) is None:
                raise
    with file:
        yield file


def state_of(shard: Path) -> tuple[int, int]:
    """Of a shard, or a file beside it: its size in bytes, and a number that changes when it does: of a local one, when
    it was last written, in ns. A remote one is not fetched. Raises OSError, and what `local` raises.
    """
    if not is_remote(shard):
        status = os.stat(shard)
        return status.st_size, status.st_mtime_ns
    size, version = _stat(shard)
    return size, int(hashlib.sha256(f"{version} {size}".encode()).hexdigest()[:15], 16)


def require_room(piles: Sequence[Sequence[Path]], at_once: int) -> None:
    """UserError unless copies of as many remote shards of each pile as are needed at once fit together."""
    sizes = [[state_of(shard)[0] for shard in pile if is_remote(shard)] for pile in piles]
    needed = sum(sum(sorted(pile)[-at_once:]) for pile in sizes)
    if needed > _most():
        raise UserError(f"up to {at_once} shards of a set are read, or fetched, at once: their copies need "
                        f"{_gb(needed)} GB, and --shard_cache_gb is {_gb(_most())}. Give more, or make smaller shards")


def _stat(shard: Path) -> tuple[int, str]:
    """What the server says of a shard, asked once a process."""
    if shard not in _stats:
        _stats[shard] = stat(url_of(shard))
    size, version = _stats[shard]
    if size is None:
        raise UserError(f"{url_of(shard)}: its server does not tell how large it is; download it, and give its folder")
    return size, version


def _copy(shard: Path) -> Path:
    """The copy of a remote shard, fetched unless another process has done it meanwhile."""
    folder, url = _folder(), url_of(shard)
    size, version = _stat(shard)
    path = folder / f"{hashlib.sha256(f'{url} {version} {size}'.encode()).hexdigest()[:16]}-{shard.name}"
    with FileLock(_lock(folder, path.name)):
        if not _note_use(path):
            part = _reserved(folder, path.name, size, url)
            try:
                fetch(url, part, size)
                os.replace(part, path)
            except OSError as error:
                raise OSError(error.errno, error.strerror or str(error), f"{folder} (copy of {url})") from error
            finally:
                part.unlink(missing_ok=True)
    return path


def _reserved(folder: Path, name: str, size: int, url: str) -> Path:
    """A new part file, whose name says how much room it will take, after as many copies have gone as are in its way."""
    most = _most()
    if size > most:
        raise UserError(f"{url} has {_gb(size)} GB, more than all copies may take together: --shard_cache_gb "
                        f"{_gb(most)}. Give more, or make smaller shards")
    part = folder / f"{name}.{size}.part"
    while True:
        with FileLock(folder / ".lock"):
            coming = _parts(folder, _lock(folder, name))
            copies = sorted(_copies(folder))
            over = sum(kept.size for kept in copies) + coming + size - most
            for kept in copies:
                if over > 0 and _gone(kept.path):
                    over -= kept.size
            if over <= 0:
                part.touch()
                return part
        time.sleep(0.1)  # others are fetching; theirs are copies then, and may go


def _copies(folder: Path) -> Iterator[Kept]:
    for entry in os.scandir(folder):
        if COPY.fullmatch(entry.name) and not PART.fullmatch(entry.name):
            with suppress(FileNotFoundError):
                status = entry.stat()
                yield Kept(status.st_mtime, status.st_size, Path(entry.path))


def _parts(folder: Path, own: Path) -> int:
    """The bytes that parts will take which others fetch. Those that nobody fetches are removed. own: a lock we hold."""
    total = 0
    for part in folder.glob("*.part"):
        named = PART.fullmatch(part.name)
        if not named:
            continue
        lock = _lock(folder, named[1])
        try:
            with nullcontext() if lock == own else FileLock(lock, blocking=False):
                part.unlink(missing_ok=True)
        except Timeout:
            total += int(named[2])
    return total


def _note_use(path: Path) -> bool:
    """Whether the copy is there; it is the last to go then."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _gone(path: Path) -> bool:
    """Whether the copy could be removed: not on Windows while somebody reads it, elsewhere they read on."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        return False
    return True


def _lock(folder: Path, name: str) -> Path:
    return folder / f".lock_{int(hashlib.sha256(name.encode()).hexdigest(), 16) % LOCKS}"


def _folder() -> Path:
    folder = Path(os.environ.get(FOLDER) or user_cache() / "shard_copies")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _most() -> int:
    """How many bytes all copies may take together."""
    return int(os.environ.get(BYTES) or DEFAULT_BYTES)


def _gb(size: int) -> str:
    return f"{size / GIGABYTE:.3g}"
