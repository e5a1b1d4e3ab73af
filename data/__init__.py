"""The registry of datasets: `--dataset_mode xyz` is the class in data/xyz_dataset.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

from util import registry

if TYPE_CHECKING:  # --help answers without torch
    from data.base_dataset import BaseDataset


def names() -> list[str]:
    """Names of all dataset modes, sorted."""
    return registry.names("data", "dataset")


def find(name: str) -> type[BaseDataset]:
    """The dataset class called `name`; UserError with the valid names when there is none."""
    return registry.find("data", "dataset", "--dataset_mode", name)
