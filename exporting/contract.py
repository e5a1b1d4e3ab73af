"""What every kind of export keeps, and what it is given."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from door.translator import Translator
from exporting.command_line import ExportOptions
from exporting.facts import Facts

Function = Callable[[Tensor], Tensor]
"""From (N, C, H, W) in [-1, 1] to (N, C', H, W) likewise, for any height and width."""


class Given(NamedTuple):
    """A real picture, prepared as test.py does. name: of its file; units: (1, C, H, W) in [-1, 1]."""

    name: str
    units: Tensor


@dataclass(frozen=True)
class Export:
    """What a kind is given. opt: what was asked for.

    translator: the run's, on the CPU: the truth that exports are compared with. net: its generator, in the mode
    (dropout, batch norm) of test.py; not to be changed. pictures: real ones, at least one.
    """

    opt: ExportOptions
    translator: Translator
    net: nn.Module
    facts: Facts
    pictures: Sequence[Given]


class Kind(Protocol):
    """One kind of export: a module `NAME_kind.py` with these names.

    NAME: as in --to. ENDING: of its file, with the dot; '' for a folder. EXTRA: the extra of setup.cfg that it needs,
    '' for none. SEEDED: whether `open` gives a function whose noise is PyTorch's for a seed, and so can be compared
    with it; else `open` gives one without noise. PARTS: the names of all that its folder may hold; empty for a file.
    """

    NAME: str
    ENDING: str
    EXTRA: str
    SEEDED: bool
    PARTS: set[str]

    def refuse(self, opt: ExportOptions) -> None:
        """UserError for options that make no sense for this kind, or when a library is missing. Before any work."""

    def tolerance(self, opt: ExportOptions) -> float:
        """The largest difference that is accepted by default, of values in [-1, 1]."""

    def write(self, export: Export, target: Path) -> None:
        """Write to `target`, which does not exist, in a folder that is there for this export alone: what else is
        written there goes where the target goes.
        """

    def open(self, target: Path, export: Export) -> Function:
        """What was written, read back from its file."""
