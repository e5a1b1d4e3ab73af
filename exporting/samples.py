"""A few pictures beside a card: an input, and what the generator makes of it."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from exporting.contract import Export
from pages.bands import read_bands
from pages.pictures import save_picture, to_pictures

FOLDER, LONGEST = "samples", 384  # pixels, of the longer side of an input


def names(export: Export) -> list[str]:
    """Their files, below the folder of the card. Not named after the pictures, whose names may say too much."""
    return [f"{FOLDER}/{number}.png" for number in range(1, min(export.opt.samples, len(export.pictures)) + 1)]


def write(export: Export, folder: Path) -> None:
    """The first --samples pictures, each beside its translation."""
    test = export.translator.opt
    bands = read_bands(test.show_bands, (test.input_nc, test.output_nc))
    for name, given in zip(names(export), export.pictures, strict=False):
        both = [to_pictures(units, bands)[0] for units in (given.units, export.translator(given.units))]
        (folder / name).parent.mkdir(exist_ok=True)
        save_picture(folder / name, np.concatenate([_small(picture) for picture in both], 1))


def _small(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
    return np.asarray(image)
