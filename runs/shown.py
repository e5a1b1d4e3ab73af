"""The images of a batch sample by sample, as a test shows and writes them, and what their files are to be like."""
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from models.contract import Batch, Images, Model
from options.groups import DataOptions
from raster.reading import read_header
from raster.results import range_of_results
from raster.value_range import BYTES, ValueRange

Sample = dict[str, Tensor]
"""The images of a sample by label, each (C, H, W) in [-1, 1], float32 on the CPU."""
SIDES = {"A": "input_range", "B": "output_range"}


def samples_of(model: Model, batch: Batch, images: Images) -> list[Sample]:
    """The images to show of each sample; of those that were padded, what is not padding."""
    visuals = {label: shown.float().cpu() for label, shown in model.visuals(images).items()}
    return [{label: _kept(shown[index], batch.get(f"{model.shown_as(label).made_from}_kept"), index)
             for label, shown in visuals.items()} for index in range(len(batch["A"]))]


def _kept(image: Tensor, sizes: Tensor | None, index: int) -> Tensor:
    """sizes: (B, 2), height and width of what was there before the padding; None where nothing was padded."""
    if sizes is None:
        return image
    height, width = sizes[index].tolist()
    return image[:, :height, :width]


class Like(NamedTuple):
    """What the file of an image is like. values: which of them -1 and 1 become, with their type; file: that it was made
    from; void: its pixels without data, bool (1, H, W), None where all have data."""

    values: ValueRange
    file: Path
    void: Tensor | None

    def is_plain(self, image: Tensor) -> bool:
        """Whether an image (C, H, W) is gray or RGB of 8 bits, which pages and PNG files hold as it is."""
        return self.values == BYTES and self.void is None and len(image) in (1, 3)


class Likeness:
    """Finds out what the files of images are like."""

    def __init__(self, model: Model, range_of: Callable[[Path], ValueRange], opt: DataOptions):
        """range_of: by which range a file of the dataset is read; opt: says the ranges of both sides, where it does."""
        self.model, self.range_of = model, range_of
        self.asked: Mapping[str, str] = {"A": opt.input_range or opt.value_range,
                                         "B": opt.output_range or opt.value_range}
        self.header_of = lru_cache(64)(read_header)  # of the files that pictures were made from

    def of(self, label: str, batch: Batch, index: int) -> Like:
        """Of the image of this label of a sample; fake_B_2, of a second one, is like fake_B."""
        values, made_from = self.model.shown_as(re.sub(r"_(\d+|std)$", "", label))
        file = Path(batch[f"{made_from}_paths"][index])
        read_in = self.range_of(file)
        void = batch.get(f"{made_from}_void")
        own = void[index].cpu() if void is not None and bool(void[index].any()) else None
        if own is not None and (sizes := batch.get(f"{made_from}_kept")) is not None:
            own = _kept(own, sizes, index)
        return Like(read_in if values == made_from else range_of_results(self.asked[values], read_in, SIDES[values]),
                    file, own)
