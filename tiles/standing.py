"""Where a translation by tiles stands: enough to go on after it was killed.

What a killed process has written is there for the next one, though it may not be on the disk yet. So nothing waits for
the disk, and what was noted before the machine was started anew is not believed.
"""
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from tiles.nodes import Region
from util.files import remove, write_atomically

NAME = "standing.json"
ENDING = ".floats"  # of the files beside it
SAVED_EVERY = 10.0  # seconds
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass
class Standing:
    """fingerprint: of all that decides the result; number, done: the pass, and the tiles of it that are finished;
    statistics: of each image that was measured, up to there, by its name (Statistics.state); boot: of the machine that
    noted it (this_boot).
    """

    fingerprint: str
    number: int = 0
    done: int = 0
    statistics: dict[str, dict[str, Any]] = field(default_factory=dict)
    boot: str = ""

    @classmethod
    def of(cls, folder: Path, fingerprint: str) -> "Standing":
        """Where the translation of that fingerprint stands; at its beginning, without files of another one."""
        try:
            known = json.loads((folder / NAME).read_text())
            files = known.pop("files")
            there = cls(**known)
        except (OSError, ValueError, TypeError, KeyError):
            there, files = cls(""), {}
        whole = all((folder / name).exists() and (folder / name).stat().st_size == size for name, size in files.items())
        if (there.fingerprint, there.boot) != (fingerprint, this_boot()) or not whole:
            forget(folder)
            there = cls(fingerprint, boot=this_boot())
        return there

    def save(self, folder: Path, files: Iterable[str]) -> None:
        """To be called when what was computed up to here is in its files. OSError when it cannot be written.

        files: in the folder, without which it cannot go on.
        """
        sizes = {name: (folder / name).stat().st_size for name in files}
        write_atomically(folder / NAME, json.dumps({**vars(self), "files": sizes}))


class Course:
    """The way through all tiles of all passes, begun where a translation stands, and saved now and then.

    settle: sees that what was computed is in its files, and returns the statistics up to now, and the names of the
    files that the pass of that number and later ones need.
    """

    def __init__(self, folder: Path, standing: Standing, flops: Sequence[int], progress: Callable[[int, int], None],
                 settle: Callable[[int], tuple[dict[str, dict[str, Any]], list[str]]]):
        self.folder, self.standing, self.flops = folder, standing, flops
        self.progress, self.settle = progress, settle
        self.saved, self.is_saved = time.monotonic(), standing.number + standing.done > 0

    def tiles(self, number: int, tiles: Sequence[Region]) -> Iterator[Region]:
        """Those of a pass that are not done yet."""
        for done, tile in enumerate(tiles):
            if done >= self.standing.done:
                yield tile
                if time.monotonic() - self.saved >= SAVED_EVERY:
                    self._save(number, done + 1)
            self.progress(sum(self.flops[:number]) + self.flops[number] * (done + 1) // len(tiles), sum(self.flops))
        if self.is_saved:  # files of this pass will be removed
            self._save(number + 1, 0)
        self.standing.done = 0

    def _save(self, number: int, done: int) -> None:
        self.standing.statistics, files = self.settle(number)
        self.standing.number, self.standing.done = number, done
        self.standing.save(self.folder, files)
        self.saved, self.is_saved = time.monotonic(), True


def this_boot() -> str:
    """What tells this start of the machine from others; '' where that is not known, which is not on Linux."""
    return BOOT.read_text().strip() if BOOT.exists() else ""


def fingerprint(net: nn.Module, *more: object) -> str:
    """Of the weights, the layers and the mode they are in, and whatever else decides a result."""
    modes = [part.training for part in net.modules()]
    return hashlib.sha256("\n".join(map(str, (net, modes, weights_checksum(net), *more))).encode()).hexdigest()


def weights_checksum(net: nn.Module) -> str:
    """The SHA-256 of the names and values of all parameters and buffers."""
    known = hashlib.sha256()
    for name, value in net.state_dict().items():
        known.update(name.encode())
        known.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return known.hexdigest()


def forget(folder: Path) -> None:
    """Remove what a translation keeps in its folder, and the folder when nothing else is in it."""
    for path in [folder / NAME, *folder.glob(f"*{ENDING}")]:
        remove(path)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
