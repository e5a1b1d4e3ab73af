"""Result folders of test.py, written by hand."""
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

Picture = int | np.ndarray
"""A gray level, of a whole picture of 4 x 4 pixels, or the pixels."""


def write_results(folder: Path, rows: Mapping[str, Mapping[str, Picture]], **options: str) -> Path:
    """A result folder of test.py. rows: name -> label -> picture; options: those that differ."""
    for name, pictures in rows.items():
        for label, picture in pictures.items():
            write_picture(folder / "images" / f"{name}_{label}.png", picture)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names.json").write_text(json.dumps({"labels": list(next(iter(rows.values()), [])), "names": list(rows)}))
    opt = {"name": "maps", "model": "pix2pix", "dataset_mode": "aligned", "direction": "AtoB"} | options
    rows_of_opt = {name: {"value": value, "source": ""} for name, value in opt.items()}
    (folder / "test_opt.json").write_text(json.dumps(rows_of_opt))
    return folder


def write_picture(path: Path, picture: Picture) -> Path:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = picture if isinstance(picture, np.ndarray) else np.full((4, 4, 3), picture, np.uint8)
    Image.fromarray(pixels).save(path)
    return path
