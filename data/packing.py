"""Which files of a dataset go into which shard, and what they are called there."""
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import data
from data.aligned_dataset import AlignedDataset
from data.base_dataset import BaseDataset
from data.check import check_images
from data.folders import NoImages
from data.integrity import Look
from data.paths import Paths
from data.per_file import PerFile
from data.single_dataset import SingleDataset
from data.transforms import Preprocess
from data.unaligned_dataset import UnalignedDataset
from options.groups import DataOptions
from options.schema import Options
from shards.member_names import MemberNames
from util.errors import UserError


class Pile(NamedTuple):
    """What becomes a set of shards. name: of the set, 'train' or 'trainA'; sides: the files of A and of B of pairs in
    two folders, else one; folders: how many parts of their paths are not in the shards; looks: what all files hold."""

    name: str
    sides: tuple[Paths, ...]
    folders: int
    looks: PerFile[Look]


class Packed(NamedTuple):
    """A file that goes into a shard. name: there; size, date: in bytes, and when it was last written, in ns."""

    name: str
    path: Path
    size: int
    date: int


def find_piles(options: Options, phases: Sequence[str], skip_bad: bool) -> tuple[list[Pile], list[str]]:
    """The sets of the phases that are there, each file of them looked at; and notices.

    UserError where there are no images; where some are bad, without skip_bad, with which they are left out.
    """
    kind, preprocess = data.find(options.view(DataOptions).dataset_mode), Preprocess(options, 1, 1)
    piles, notices, missing = list[Pile](), list[str](), None
    for phase in [""] if issubclass(kind, SingleDataset) else phases:
        try:
            dataset = kind(options.replace(phase=phase), preprocess)
        except NoImages as error:
            missing = missing or error
            continue
        looks, said = check_images(SingleDataset.of(Paths.of(dataset.files()), options, preprocess), skip_bad)
        notices += [*dataset.notices, *said]
        dataset.leave_out({path for path in dataset.files() if path not in looks})
        piles += _piles(dataset, phase, looks)
    if not piles:
        raise missing or UserError(f"no image of {options.view(DataOptions).dataroot} can be read")
    return piles, notices


def _piles(dataset: BaseDataset, phase: str, looks: PerFile[Look]) -> list[Pile]:
    above = len(dataset.root.parts)
    if isinstance(dataset, UnalignedDataset):
        sides = {f"{phase}{side}": files for side, files in zip("AB", (dataset.A, dataset.B), strict=True)}
        return [Pile(name, (files,), above + _folders(files[0], above, name), looks) for name, files in sides.items()]
    if isinstance(dataset, AlignedDataset):
        A, B = dataset.pairs.A, dataset.pairs.B
        name = f"{phase}A" if B else phase
        return [Pile(phase, (A, B) if B else (A,), above + _folders(A[0], above, name), looks)] if A else []
    if isinstance(dataset, SingleDataset):
        return [Pile(dataset.root.absolute().name, (dataset.A,), above, looks)] if dataset.A else []
    raise UserError(f"--dataset_mode {dataset.opt.dataset_mode} is not packed; expected aligned, unaligned or single")


def _folders(path: Path, above: int, name: str) -> int:
    """How many folders lie between the root and the files: 1 for train/ and trainA/, 2 for train/A/."""
    return 1 if path.parts[above] == name else 2


def shards_of(pile: Pile, most: float, mixed: bool) -> Iterator[list[Packed]]:
    """The files of one shard after the other, the parts of a sample behind each other.

    most: bytes of a shard, if it has several samples; mixed: whether samples come in an order of chance, always the
    same. OSError where a file is gone.
    """
    names, count = MemberNames(), len(pile.sides[0])
    order = np.random.default_rng(0).permutation(count) if mixed else np.arange(count)
    shard, held = list[Packed](), 0
    for place in order.tolist():
        paths = [side[place] for side in pile.sides]
        inside = [Path(*path.parts[pile.folders:]) for path in paths]
        sample = [_packed(name, path) for name, path in zip(names.sample(*inside), paths, strict=True)]
        size = sum(file.size for file in sample)
        if shard and held + size > most:
            yield shard
            shard, held = [], 0
        shard += sample
        held += size
    if shard:
        yield shard


def _packed(name: str, path: Path) -> Packed:
    status = os.stat(path)
    return Packed(name, path, status.st_size, status.st_mtime_ns)
