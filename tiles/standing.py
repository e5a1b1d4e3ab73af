"""Where a translation by tiles stands: enough to go on after it was killed."""
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from tiles.plan import Plan
from util.files import remove, write_atomically

NAME = "standing.json"


@dataclass
class Standing:
    """fingerprint: of all that decides the result; done: tiles that are finished in pass `number`; statistics: of each
    image that was measured, up to there, by its name (Statistics.state).
    """

    fingerprint: str
    number: int = 0
    done: int = 0
    statistics: dict[str, dict[str, Any]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """To be called when what was computed up to here is on the disk. OSError when it cannot be written."""
        write_atomically(folder / NAME, json.dumps(asdict(self)))

    @classmethod
    def of(cls, folder: Path, fingerprint: str) -> "Standing":
        """Where the translation of that fingerprint stands; at its beginning, without files of another one."""
        try:
            there = cls(**json.loads((folder / NAME).read_text()))
        except (OSError, ValueError, TypeError):
            there = None
        if there is None or there.fingerprint != fingerprint:
            forget(folder)
            there = cls(fingerprint)
        return there


def fingerprint(net: nn.Module, plan: Plan, seed: int, source: str) -> str:
    """Of the weights, the layers and the mode they are in, the plan, and the source as the caller describes it."""
    known = hashlib.sha256(f"{net}\n{[part.training for part in net.modules()]}\n{plan}\n{seed}\n{source}".encode())
    for name, value in net.state_dict().items():
        known.update(name.encode())
        known.update(value.detach().cpu().contiguous().float().numpy().tobytes())
    return known.hexdigest()


def has_begun(folder: Path) -> bool:
    """Whether a translation was begun there and not finished."""
    return (folder / NAME).exists()


def forget(folder: Path) -> None:
    """Remove what a translation keeps in its folder, and the folder when nothing else is in it."""
    remove(folder / NAME)
    for path in folder.glob("*.floats"):
        remove(path)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
