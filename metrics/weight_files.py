"""Weights of networks that others trained: looked for in the user's cache or in a given place, never downloaded."""
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from util.errors import UserError


@dataclass(frozen=True)
class WeightFile:
    """title: of the network, as in a sentence; url: where its publishers keep the file; megabytes: its size; without:
    what to type where the file cannot be had, if anything goes without it."""

    title: str
    url: str
    megabytes: int
    without: str = ""

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def find(self, given: Path | None) -> Path:
        """Where the file is. given: the file, or a folder that holds it under its own name; None for torch's cache.

        UserError, which says where to get it and where to put it, when it is not there.
        """
        path = Path(torch.hub.get_dir(), "checkpoints") if given is None else Path(given)
        path = path / self.name if given is None or path.is_dir() else path
        if path.is_file():
            return path
        offline = f". Without that file: {self.without}" if self.without else ""
        raise UserError(f"the weights of {self.title} are not there: {path}. They are never downloaded by themselves. "
                        f"Get {self.url} ({self.megabytes} MB) and put it there, or name the file, or the folder that "
                        f"holds it, with --feature_weights{offline}")

    def load(self, given: Path | None) -> tuple[Path, Mapping[str, Any]]:
        """Where the file is, and what it holds. UserError as `find`, and for a file that holds no weights."""
        path = self.find(given)
        return path, load_weights(path, f"{self.title}: {self.url}")

    def misfit(self, path: Path) -> UserError:
        """What to raise when the file holds the weights of something else."""
        return UserError(f"{path} does not hold the weights of {self.title}; expected those of {self.url}. Where "
                         "several metrics need weights, give --feature_weights the folder that holds them")


def load_weights(path: Path, expected: str) -> Mapping[str, Any]:
    """What a file of weights holds, on the CPU. UserError when it holds something else, which says what is expected."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise many kinds
        raise UserError(f"{path} cannot be read as weights ({type(error).__name__}); expected those of {expected}"
                        ) from None
    if not isinstance(held, Mapping):
        raise UserError(f"{path} holds no weights by name; expected those of {expected}")
    return held
