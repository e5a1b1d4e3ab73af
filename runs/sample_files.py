"""The fixed samples of the validations as files and for other viewers."""
from pathlib import Path

import numpy as np

from pages.pictures import save_picture
from runs.validation import Measured

Shown = dict[str, list[tuple[str, str]]]
"""By sample, the label and the file of each picture."""


def save_samples(folder: Path, epoch: int, measured: Measured) -> Shown:
    """Write the samples' pictures: the translation under the name of its epoch."""
    shown: Shown = {}
    for number, (name, sample) in enumerate(measured.samples.items(), start=1):
        shown[name] = []
        for place, (label, picture) in enumerate(sample.items()):
            made = place == 1
            path = folder / (f"val_{number:04d}_epoch{epoch:03d}_{label}.png" if made else
                             f"val_{number:04d}_{label}.png")
            save_picture(path, picture)
            shown[name].append((label, path.name))
    return shown


def made_of_samples(measured: Measured) -> dict[str, np.ndarray]:
    """What was made of each sample, by a name."""
    return {f"sample {name}": list(sample.values())[1] for name, sample in measured.samples.items()}
