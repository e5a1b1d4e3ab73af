"""A dataset of a folder, without a command."""
from pathlib import Path

import data
from data.base_dataset import BaseDataset
from data.transforms import Preprocess
from options.command_line import parse
from train import COMMAND

PLAIN = "--preprocess none --no_flip"


def make(root: Path, mode: str, line: str = PLAIN, augment: bool = True) -> BaseDataset:
    opt = parse(COMMAND, f"--dataroot {root} --dataset_mode {mode} {line}".split())
    return data.find(mode)(opt, Preprocess(opt, augment=augment))
