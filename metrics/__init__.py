"""The registry of metrics: `--metrics xyz` is the class in metrics/xyz_metric.py."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from util import registry

if TYPE_CHECKING:  # names are known without torch
    from metrics.base_metric import Metric, Tools


def names() -> list[str]:
    """Names of all metrics, sorted."""
    return registry.names("metrics", "metric")


def find(name: str, flag: str = "--metrics") -> type[Metric]:
    """The metric class called `name`, which the user gave as `flag`; UserError with the valid names when there is none.
    """
    return registry.find("metrics", "metric", flag, name)


def make(chosen: Sequence[str], tools: Tools, flag: str = "--metrics") -> dict[str, Metric]:
    """The metrics called so, by name, made with `tools`. UserError for an unknown name and for a missing tool."""
    kinds = {name: find(name, flag) for name in chosen}
    return {name: kind(tools) for name, kind in kinds.items()}
