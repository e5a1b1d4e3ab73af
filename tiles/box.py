"""Parts of a picture, as they are read and written."""
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from tiles.nodes import Region


class Box(NamedTuple):
    """In pixels of the picture."""

    top: int
    left: int
    height: int
    width: int


Read = Callable[[Box], Tensor]
"""The part of a picture in a box, float32 (1, C, h, w) in [-1, 1], on the network's device."""

Write = Callable[[Box, Tensor], None]
"""Is given a part of the result, likewise."""


def box_of(region: Region) -> Box:
    (top, bottom), (left, right) = region
    return Box(top, left, bottom - top, right - left)
