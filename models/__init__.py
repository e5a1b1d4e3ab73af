"""The registry of models: `--model xyz` is the class in models/xyz_model.py."""
from __future__ import annotations

from typing import TYPE_CHECKING

from util import registry

if TYPE_CHECKING:  # names are known without torch
    from models.base_model import BaseModel


def names() -> list[str]:
    """Names of all models, sorted."""
    return registry.names("models", "model")


def find(name: str) -> type[BaseModel]:
    """The model class called `name`; UserError with the valid names when there is none."""
    return registry.find("models", "model", "--model", name)
