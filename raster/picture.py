"""What goes between files and networks: an array with its type, and what its file knows of it."""
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class Origin:
    """What a file knows of its picture beside the values, for the files that are made of it.

    format: 'PNG', 'TIFF', 'NPY', ... ; resolution: pixels per inch, across and down; tags: what only that format knows,
    such as the geo tags of a TIFF (by number) or the affine of a NIfTI file ('affine'); alpha: whether the last channel
    says how opaque a pixel is.
    """

    format: str
    resolution: tuple[float, float] | None = None
    tags: Mapping[Any, Any] = field(default_factory=lambda: MappingProxyType({}))
    alpha: bool = False


@dataclass(frozen=True)
class Picture:
    """values: (H, W, C), upright, of the file's own type: uint8, uint16, int16, int32, float32, ...

    no_data: the value of the pixels that hold none (NaN needs no such value: it always marks them).
    """

    values: np.ndarray
    origin: Origin
    no_data: float | None = None

    def void(self) -> np.ndarray | None:
        """The pixels without data, bool (H, W): those with no_data or NaN in any channel. None when there are none.

        That opacity is the number of no_data means nothing: 0 is both at times.
        """
        void = np.zeros(self.values.shape[:2], bool)
        if np.issubdtype(self.values.dtype, np.floating):
            void |= np.isnan(self.values).any(axis=2)
        if self.no_data is not None:
            colours = self.values[..., :-1] if self.origin.alpha else self.values
            void |= (colours == self.no_data).any(axis=2)
        return void if void.any() else None


class Header(NamedTuple):
    """What a file says of its picture before the values are read. size: upright; pages: or frames, volumes' slices."""

    size: Size
    channels: int
    dtype: np.dtype
    pages: int
    origin: Origin
    no_data: float | None = None
