"""Batches on their way from a worker process: what is exactly 8 bits travels as 8 bits.

A tensor that PyTorch hands over needs a file in shared memory, whose pages the system makes and clears, and a
connection by which it is asked for: that costs as much as to decode a small image. The bytes go through the pipe by
which the worker answers anyway.
"""
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate
from torch.utils.data._utils.pin_memory import pin_memory

from data.pixels import bytes_of, unit_of


class Parcel:
    """Samples of one size, as dicts of equal keys."""

    def __init__(self, samples: Sequence[dict[str, Any]]):
        found = {name: _all_bytes([sample[name] for sample in samples]) for name in samples[0]}
        self.names = list(found)
        self.bytes = {name: values for name, values in found.items() if values is not None}  # uint8 (B, ...)
        self.others = default_collate([{name: value for name, value in sample.items() if name not in self.bytes}
                                       for sample in samples])

    def open(self) -> dict[str, Any]:
        """The batch that `default_collate` would have made of the samples, bit for bit."""
        return {name: torch.from_numpy(unit_of(self.bytes[name])) if name in self.bytes else self.others[name]
                for name in self.names}

    def pin_memory(self) -> dict[str, Any]:
        """The batch in pinned memory; PyTorch asks for it in a thread of its own."""
        return pin_memory(self.open())


def _all_bytes(values: Sequence[Any]) -> np.ndarray | None:
    """Images (C, H, W) as uint8 (B, C, H, W), None unless all of them are exactly that in [-1, 1]."""
    found: list[np.ndarray] = []
    for value in values:
        levels = bytes_of(value) if isinstance(value, Tensor) and value.dtype == torch.float32 else None
        if levels is None:
            return None
        found.append(levels)
    return found[0][None] if len(found) == 1 else np.stack(found)
