"""A dataset of a folder, without a command, and what its samples are compared with."""
from pathlib import Path

import torch

import data
from data.base_dataset import BaseDataset
from data.check import check_images
from data.pixels import to_tensor
from data.transforms import Preprocess
from options.command_line import parse
from raster.view import read_image
from train import COMMAND

PLAIN = "--preprocess none --no_flip"


def make(root: Path, mode: str, line: str = PLAIN, augment: bool = True) -> BaseDataset:
    opt = parse(COMMAND, f"--dataroot {root} --dataset_mode {mode} {line}".split())
    return data.find(mode)(opt, Preprocess(opt, augment=augment))


def names(paths: list) -> list[str]:
    return [Path(path).name for path in paths]


def tensor(path: Path | str, box: tuple | None = None) -> torch.Tensor:
    """The image, or the part of it in the box, as a sample holds it."""
    image = read_image(Path(path), 3)
    return to_tensor(image.crop(box) if box else image)


def equal(one: dict, other: dict) -> bool:
    """Whether two samples are the same."""
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) if torch.is_tensor(one[key]) else one[key] == other[key] for key in one)


def doubts(dataset: BaseDataset) -> list[str]:
    """What is told about files that look as if they were meant for another dataset."""
    return dataset.doubts({path: look.size for path, look in check_images(dataset, skip_bad=False)[0].items()})
