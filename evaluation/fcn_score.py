"""The FCN score: does a segmentation network see in generated photos the labels that they were made from?

Source: Isola et al. 2017, section 4.1; Zhu et al. 2017, section 5.1.1. The network is another one than theirs: see
docs/evaluation.md.
"""
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import metrics
from evaluation.fcn_command import METRICS
from evaluation.label_pairs import LabelPairs, other_side
from evaluation.results import StoredResults, open_results
from evaluation.samples import Direction
from evaluation.scoring_net import MadeOf, ScoringNet
from evaluation.segmentation import train_net
from metrics.base_metric import Tools
from metrics.measuring import Measuring, Report
from metrics.palette import Palette
from util.errors import UserError

Advance = Callable[[int, str], None]
"""Told how many images more are done, and something about them."""


@dataclass(frozen=True)
class FcnScore:
    """What the network sees in the photos of one results folder, compared with their labels by METRICS.

    result: the name of the run; direction: from labels to photos, such as B->A; fakes: of the generated photos; reals:
    of the real ones of the same rows, the ceiling.
    """

    result: str
    direction: str
    fakes: Report
    reals: Report


def train_scoring_net(pairs: LabelPairs, palette: Palette, made_of: MadeOf, device: torch.device, advance: Advance
                      ) -> ScoringNet:
    """A network trained on the real photos and labels of the pairs. UserError for a picture that cannot be read.

    advance: counts the pairs as they are read, and then the images of made_of.steps batches.
    """
    photos, classes = [], []
    for photo, its_classes in pairs.learned(palette, made_of.labels, made_of.size):
        photos.append(photo)
        classes.append(its_classes)
        advance(1, "reading")
    net = train_net(torch.stack(photos), torch.stack(classes), len(palette.names), made_of.steps, made_of.seed, device,
                    advance)
    return ScoringNet(net, palette, made_of)


def fcn_score(folder: Path, scoring: ScoringNet, dataroot: Path, advance: Advance = lambda images, said: None
              ) -> FcnScore:
    """The score of the photos that test.py left in `folder`, and that of the real ones.

    dataroot: the dataset of the network. UserError as in `open_photos`, and for pictures that cannot be read.
    """
    stored, direction = open_photos(folder, scoring.made_of.labels, dataroot)
    made = {name: metrics.find(name)(Tools(palette=scoring.palette)) for name in METRICS}
    fakes, reals = Measuring(made), Measuring(made)
    for name, pictures in stored:
        roles = {role: _tensor(picture) for role, picture in direction.roles(pictures).items()}
        for measuring, photo in ((fakes, roles["fake"]), (reals, roles["real"])):
            measuring.add([name], {"fake": scoring.painted(photo), "real": roles["source"]})
        advance(1, "scoring")
    return FcnScore(stored.result, direction.arrow, fakes.report(), reals.report())


def open_photos(folder: Path, labels: str, dataroot: Path) -> tuple[StoredResults, Direction]:
    """Results, and the direction in which they make photos of labels: those of side 'A' or 'B'.

    UserError when there is none, when the real photos are not among them, or when they are of another dataset.
    """
    stored, photos = open_results(folder), other_side(labels)
    made_of = _dataroot(folder)
    if os.path.realpath(made_of) != os.path.realpath(dataroot):
        raise UserError(f"{folder} holds results of another dataset: --dataroot {made_of}, and here it is {dataroot}; "
                        "give that one, or run test.py on this one")
    there = [direction for direction in stored.directions if direction.arrow == f"{labels}->{photos}"]
    if not there:
        found = ", ".join(direction.arrow for direction in stored.directions)
        raise UserError(f"{folder} holds translations {found}, and the FCN score is of photos made from labels, "
                        f"{labels}->{photos}: give results of a CycleGAN, or of a pix2pix that was trained with "
                        f"--direction {labels}to{photos}. If the labels are side {photos}, say so: --labels {photos}")
    if not (there[0].paired and {"source", "fake", "real"} <= there[0].labels.keys()):
        raise UserError(f"{folder} does not hold the real photos of its labels, whose score is the ceiling; run "
                        "test.py on pairs, with the --model of the training and --dataset_mode aligned")
    return stored, there[0]


def _dataroot(folder: Path) -> str:
    """What test.py was given. UserError when that is not known."""
    try:
        return str(json.loads((folder / "test_opt.json").read_text(encoding="utf-8"))["dataroot"]["value"])
    except (LookupError, TypeError) as error:
        raise UserError(f"{folder}/test_opt.json names no dataroot ({type(error).__name__}: {error}); run test.py "
                        "again") from None


def _tensor(picture: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) to (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
