"""Loaders on folders and on made-up samples, and how their batches are compared."""
import random
from collections.abc import Callable
from pathlib import Path

import torch

from data.base_dataset import BaseDataset, Sample
from data.loader import Loader, open_loader
from options.command_line import parse
from train import COMMAND


def open_on(root: Path, line: str, augment: bool = True, needs: tuple[str, ...] = ("A", "B")) -> Loader:
    opt = parse(COMMAND, f"--dataroot {root} --load_size 36 --crop_size 32 --num_threads 0 {line}".split())
    return open_loader(opt, needs, 4, 8, augment)


def names(batches: list[dict], side: str = "A") -> list[list[str]]:
    return [[Path(path).stem for path in batch[f"{side}_paths"]] for batch in batches]


def equal(some: list[dict], others: list[dict]) -> bool:
    return len(some) == len(others) and all(
        torch.equal(one[key], other[key]) if torch.is_tensor(one[key]) else one[key] == other[key]
        for one, other in zip(some, others, strict=True) for key in one)


class Samples(BaseDataset):
    """Eight tiny samples; `act` is called with the index of each."""

    def __init__(self, act: Callable[[int], None], width: int = 4):
        self.act, self.width = act, width

    def __len__(self) -> int:
        return 8

    def sample(self, index: int, rng: random.Random) -> Sample:
        self.act(index)
        return {"A": torch.zeros(3, 4, 4), "B": torch.zeros(3, 4, self.width + index), "A_paths": f"{index}.png"}

    def sources(self) -> list[Path]:
        return [Path(f"{index}.png") for index in range(8)]
