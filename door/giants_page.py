"""The page of test.py --tile: small views of pictures larger than memory."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from door.giant import Giant
from door.reduced import reduced
from options.groups import TestCommandOptions
from options.schema import Options
from pages.bands import read_bands
from pages.pictures import save_picture, to_pictures
from pages.results_folder import OwnValues, Row
from raster.picture import Picture, Size
from raster.region_reading import open_region_reader
from runs.translating import Made, write_results
from runs.written import WHITE, caption

LABELS = {"test": ("real", "fake")}  # of other models they are:
USUAL = ("real_A", "fake_B")


def shown_as(model: str) -> tuple[str, str]:
    """What a model's page calls a picture and its translation."""
    return LABELS.get(model, USUAL)


def write_page(options: Options, folder: Path, names: Sequence[str], giants: Sequence[Giant]) -> Path:
    """The page of reduced views."""
    opt = options.view(TestCommandOptions)
    bands = read_bands(opt.show_bands, (opt.input_nc, opt.output_nc))
    labels, rows = list(shown_as(opt.model)), []
    for name, giant in zip(names, giants, strict=True):
        with open_region_reader(giant.target) as translated:
            source = reduced(giant.reader, giant.values_in, giant.source, opt.input_nc)
            made = reduced(translated, giant.values_out, giant.target, opt.output_nc)
        for label, picture in zip(labels, (source, made), strict=True):
            save_picture(folder / "images" / f"{name}_{label}.png", _view(picture, bands))
        void = made.void() is not None
        own = OwnValues(giant.target.name, str(giant.values_out), opt.output_nc, void,
                        caption(giant.values_out, opt.output_nc, bands))
        rows.append((name, Row(_title(name, giant.reader.size, source.values.shape), {labels[1]: own})))
    return write_results(options, folder, Made(labels, rows, []))


def _view(picture: Picture, bands: tuple[int, ...]) -> np.ndarray:
    """A picture in [-1, 1] as uint8 (H, W, 3), white where it has no data."""
    unit, void = np.nan_to_num(picture.values, nan=1), picture.void()
    view = to_pictures(torch.from_numpy(unit).permute(2, 0, 1)[None], bands)[0]
    if void is not None:
        view[void] = WHITE
    return view


def _title(name: str, size: Size, shown: tuple[int, ...]) -> str:
    """Of the row of a picture; says where its view is reduced."""
    whole, view = f"{size[0]}x{size[1]}", f"{shown[1]}x{shown[0]}"
    return name if whole == view else f"{name} · {whole} pixels, shown reduced to {view}"
