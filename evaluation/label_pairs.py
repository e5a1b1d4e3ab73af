"""The pairs of photos and labels of a dataset: which side is which, and what a segmentation network learns from."""
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from data.base_dataset import BaseDataset
from data.loader import open_loader
from evaluation.scoring_net import paint
from evaluation.segmentation import squared
from metrics.palette import Palette, find_palette
from options.groups import DataOptions, RunOptions
from options.schema import Options, assemble
from util.errors import UserError

LOOKED_AT = 100  # pairs, spread over all, in which labels and their colours are looked for


@dataclass(frozen=True)
class LabelPairs:
    """The pairs of one split. notices: what the user should know of the files; fingerprint: of their content."""

    dataset: BaseDataset
    notices: list[str]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.dataset)

    def side(self, side: str, most: int | None = None) -> Iterator[Tensor]:
        """The pictures of side 'A' or 'B', (3, H, W) in [0, 1]: all, or `most` spread over them. UserError for one
        that cannot be read."""
        count = min(most or len(self), len(self))
        for index in range(count):
            yield self._pair(index * len(self) // count)[side]

    def learned(self, palette: Palette, labels: str, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Each photo, (3, size, size), uint8, and the class of each of its pixels, (size, size), int16.

        Classes are told apart in the labels as they are, before they are brought to size: mixed colours at edges would
        make classes that are not there.
        """
        photos = other_side(labels)
        for index in range(len(self)):
            pair = self._pair(index)
            classes = palette.classes(pair[labels][None])[:, None].float()
            classes = F.interpolate(classes, (size, size), mode="nearest-exact")
            yield (squared(pair[photos][None], size)[0] * 255).round().byte(), classes[0, 0].short()

    def _pair(self, index: int) -> dict[str, Tensor]:
        sample = self.dataset.sample(index, random.Random(0))
        return {side: (sample[side] + 1) / 2 for side in "AB"}


def other_side(side: str) -> str:
    """'B' of 'A', 'A' of 'B'."""
    return "B" if side == "A" else "A"


def open_pairs(dataroot: str, phase: str) -> LabelPairs:
    """The pairs in `phase` of a dataset, in the layouts of --dataset_mode aligned. UserError when there are none, or
    some cannot be read."""
    declared = assemble([RunOptions, DataOptions])
    values = {name: option.default for name, option in declared.items()} | {
        "dataroot": dataroot, "phase": phase, "dataset_mode": "aligned", "preprocess": "none", "num_threads": 0}
    loader = open_loader(Options(values, dict.fromkeys(values, "default"), declared), ("A", "B"), 1, 1, augment=False)
    return LabelPairs(loader.dataset, loader.notices, _fingerprint(loader.dataset))


def _fingerprint(dataset: BaseDataset) -> str:
    """Of the names and the content of all files, wherever the dataset lies."""
    digest = hashlib.sha256()
    for path in dataset.files():
        for part in (path.relative_to(dataset.root).as_posix().encode(errors="surrogateescape"), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def find_labels(pairs: LabelPairs, labels: str | None, palette: Palette | None) -> tuple[str, Palette]:
    """Which side is painted with few colours, 'A' or 'B', and the palette of these; what is given is not looked for.

    UserError when no side is, or both are.
    """
    if palette:
        return labels or _nearer(pairs, palette), palette
    found: dict[str, Palette] = {}
    reasons = []
    for side in labels or "AB":
        try:
            found[side] = find_palette(pairs.side(side, LOOKED_AT))
        except UserError as error:
            reasons.append(f"side {side}: {error}")
    where = f"{pairs.dataset.root}, phase {pairs.dataset.opt.phase}"
    if not found:
        raise UserError(f"no labels were found in the pairs of {where}.\n" + "\n".join(reasons))
    if len(found) > 1:
        counts = " and ".join(f"{len(palette.names)} on side {side}" for side, palette in found.items())
        raise UserError(f"both sides of the pairs of {where} are painted with few colours, {counts}; say which are the "
                        "labels with --labels A or --labels B")
    return next(iter(found.items()))


def _nearer(pairs: LabelPairs, palette: Palette) -> str:
    """The side whose pixels are nearer to the colours of the palette."""
    def distance(side: str) -> float:
        pictures = [picture[None] for picture in pairs.side(side, 10)]
        return sum((one - paint(palette.classes(one), palette)).abs().mean().item() for one in pictures)

    return min("AB", key=distance)
