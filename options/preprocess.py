"""The ways of --preprocess: how an image is brought to size."""
from dataclasses import dataclass
from typing import Any, Literal

from options.schema import Sides


@dataclass(frozen=True)
class Preprocessing:
    """scale: to --load_size (a square, unless it says H,W), to that width with its own proportions, or not at all;
    crop: to --crop_size.
    """

    scale: Literal["square", "width", "none"]
    crop: bool

    @property
    def one_size(self) -> bool:
        """Whether images of any size come out with one."""
        return self.crop or self.scale == "square"


PREPROCESS = {
    "resize_and_crop": Preprocessing("square", crop=True),
    "crop": Preprocessing("none", crop=True),
    "scale_width": Preprocessing("width", crop=False),
    "scale_width_and_crop": Preprocessing("width", crop=True),
    "none": Preprocessing("none", crop=False),
}


def whole_images(preprocess: str, load_size: Sides, crop_size: Sides) -> dict[str, Any]:
    """The three options with which whole images are seen at the scale that a network learned from on crops."""
    scale = PREPROCESS[preprocess].scale
    if scale == "square":
        return {"preprocess": preprocess, "load_size": crop_size, "crop_size": crop_size}
    return {"preprocess": "none" if scale == "none" else "scale_width", "load_size": load_size, "crop_size": crop_size}
