"""One photo of any size, towns side by side, written tile by tile: as large as the disk, in little memory."""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from toy_deep import draw_scene, stored

MADE_BY = "datasets/toy_maps.py --giant"
TOWNS = 64  # different ones; they are turned and mirrored, and lie in an order of their own
BLOCK = 16  # a tile of a TIFF has a multiple of so many pixels a side


class InTheWay(Exception):
    """There is a file that this script did not write; the message says what to do."""


def giant(path: Path, side: int, size: int, seed: int, bands: int, kind: str) -> bool:
    """Write a photo of side x side pixels as a tiled BigTIFF; False where it is there already.

    size: of a town, a multiple of BLOCK that divides side. The pixels depend on these values only, and those of a town
    on its place alone: a larger photo has a smaller one in its upper left corner. InTheWay for a file of others.
    """
    from tifffile import TiffWriter  # here, so that the plain set needs numpy and pillow only

    about = json.dumps({"made_by": MADE_BY, "side": side, "size": size, "seed": seed, "bands": bands, "kind": kind})
    if path.exists():
        if (found := description(path)) == about:
            return False
        if MADE_BY not in found:
            raise InTheWay(f"{path} is in the way and not from this script. Give another file: --out FILE.tif")
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TiffWriter(part, bigtiff=True) as file:
            shape, how = layout(side, side, bands or 3)
            file.write(tiles(side // size, size, seed, bands, kind), shape=shape, dtype=kind, tile=(size, size),
                       description=about, metadata=None, **how)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return True


def layout(height: int, width: int, channels: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape in which tifffile wants values (height, width, channels), and how it is to write them."""
    if channels == 1:
        return (height, width), {"photometric": "minisblack"}
    return (height, width, channels), {"photometric": "rgb" if channels == 3 else "minisblack",
                                       "planarconfig": "contig"}


def description(path: Path) -> str:
    """What the file says of itself; '' for one that says nothing, or is no TIFF."""
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as file:
            return file.pages.first.description
    except (TiffFileError, ValueError, IndexError):
        return ""


def tiles(across: int, size: int, seed: int, bands: int, kind: str) -> Iterator[np.ndarray]:
    """The towns of across x across places, row by row."""
    @lru_cache(maxsize=TOWNS)
    def town(number: int) -> np.ndarray:
        return stored(draw_scene(seed, "test", number, size, bands).photo, kind)

    for row in range(across):
        for column in range(across):
            rng = np.random.default_rng((seed, row, column))
            turned = np.rot90(town(int(rng.integers(1, TOWNS + 1))), int(rng.integers(4)))
            mirrored = np.ascontiguousarray(turned[:, ::rng.choice((-1, 1))])
            yield mirrored.reshape(layout(*mirrored.shape)[0])
