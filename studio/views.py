"""Pictures of a dataset to look at: small, as 8 bits, with their names."""
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from data.aligned_dataset import AlignedDataset
from data.base_dataset import BaseDataset
from data.report import Report
from raster.value_range import ValueRange
from raster.view import read_image
from util.errors import UserError

SIDE = 320  # pixels that a view is wide and high at most
SAMPLES = 24  # of a folder
GROUPS = 4  # of a finding
IN_A_GROUP = 4
NOT_SEEN = ("unreadable", "small", "squeezed", "no_partner")  # kinds of findings that a small view says nothing of
SUSPICIOUS = 32  # views of all findings

T = TypeVar("T")
View = tuple[Image.Image, str]
"""A picture and what stands below it."""


def view(path: Path, value_range: ValueRange | None = None, side: int = SIDE) -> Image.Image:
    """The picture in a file, in RGB, no larger than `side`. UserError when it cannot be read."""
    image = read_image(path, 3, value_range)
    image.thumbnail((side, side))
    return image


def sample_views(report: Report) -> list[View]:
    """Pictures from all over the folder: pairs side by side, of two piles some of each."""
    splits = [(name, split.dataset) for name, split in report.splits.items()]
    share = max(1, SAMPLES // max(1, len(splits)))
    return [view for name, dataset in splits for view in _of_a_split(name, dataset, share)]


def _of_a_split(name: str, dataset: BaseDataset, count: int) -> Iterator[View]:
    if isinstance(dataset, AlignedDataset):
        for path_A, path_B in _some(dataset.pairs, count):
            sides = [view(path, dataset.ranges.get(path)) for path in (path_A, path_B) if path]
            yield _beside(sides), f"{name}: {os.path.relpath(path_A, dataset.root)}"
        return
    sources = set(dataset.sources())
    for side, paths in (("A", sources), ("B", set(dataset.files()) - sources)):
        for path in _some(sorted(paths), count // 2 if sources != set(dataset.files()) else count):
            yield view(path, dataset.ranges.get(path)), f"{name} {side}: {os.path.relpath(path, dataset.root)}"


def suspicious_views(report: Report) -> list[View]:
    """Pictures of the findings that eyes can judge, the gravest first; those that belong together stand together."""
    ranges = {path: known for split in report.splits.values() for path, known in split.dataset.ranges.items()}
    views: list[View] = []
    for finding in report.findings:
        for group in finding.files[:GROUPS] if finding.kind not in NOT_SEEN else []:
            for path in group[:IN_A_GROUP]:
                try:
                    image = view(path, ranges.get(path))
                except UserError:  # such as more pixels than are read; the finding names it
                    continue
                views.append((image, f"{finding.kind.replace('_', ' ')}: {os.path.relpath(path, report.dataroot)}"))
    return views[:SUSPICIOUS]


def _some(of: Sequence[T], count: int) -> Sequence[T]:
    """So many of them, from all over."""
    return [of[number * len(of) // count] for number in range(count)] if len(of) > count else of


def _beside(images: list[Image.Image]) -> Image.Image:
    """Pictures side by side, as high as the first."""
    height = images[0].height
    scaled = [image.resize((max(1, round(image.width * height / image.height)), height)) for image in images]
    whole = Image.new("RGB", (sum(image.width for image in scaled), height))
    left = 0
    for image in scaled:
        whole.paste(image, (left, 0))
        left += image.width
    return whole
