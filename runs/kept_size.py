"""Images that were padded to keep their size: what was made of them is cropped back to it."""
from collections.abc import Mapping

import numpy as np

from models.contract import Batch, Images
from pages.pictures import pictures


def kept_pictures(visuals: Images, batch: Batch) -> list[dict[str, np.ndarray]]:
    """The samples of a batch of named images, each as named pictures that are cropped back."""
    return [cropped_back(sample, batch, index) for index, sample in enumerate(pictures(visuals))]


def cropped_back(sample: Mapping[str, np.ndarray], batch: Batch, index: int) -> dict[str, np.ndarray]:
    """The pictures (H, W, ...) of sample `index`, by label, each with the size of the image it was made from."""
    shown = {}
    for label, picture in sample.items():
        kept = batch.get(f"{made_from(label)}_kept")
        height, width = picture.shape[:2] if kept is None else kept[index].tolist()
        shown[label] = picture[:height, :width]
    return shown


def made_from(label: str) -> str:
    """The side, A or B, whose image became the picture of this label: a fake_B is made from an image of A."""
    own = "B" if label.removesuffix("_rgb").endswith("_B") else "A"
    return {"A": "B", "B": "A"}[own] if label.startswith("fake_") else own
