"""The dataset doctor: everything that can be known of a folder of images before one trains on it."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

import data
from data.aligned_dataset import AlignedDataset
from data.base_dataset import BaseDataset
from data.check import check_sizes
from data.findings import Finding, Sample, duplicates, half_duplicates, odd_pairs, of_a_side
from data.folders import PHASES, NoImages, list_images
from data.picture_facts import FileFacts, examine
from data.report import Report, Side, Split
from data.scaled import ImageFile
from data.transforms import Preprocess
from data.value_ranges import choose_ranges
from data.workers import looking_processes
from options.groups import DataOptions
from options.preprocess import PREPROCESS
from options.schema import Options
from raster.picture import Size
from shards.names import find_shards, is_pattern
from util.errors import UserError

SEVERITIES = ("error", "warning", "note")
FEW = 64  # files for which no processes are started
WHOLE = "all"  # the split of a dataset without splits
LAYOUTS = {"unaligned": "two piles of images without pairs", "single": "one pile of images",
           "colorization": "colour images"}


def layout(root: Path) -> str:
    """The --dataset_mode that reads `root`: aligned, unaligned, or single for one pile without splits."""
    def there(side: str) -> bool:
        shards = not is_pattern(str(root))
        return any(list_images(root / f"{phase}{side}", 1) or (shards and find_shards(str(root), phase, side))
                   for phase in PHASES)

    return "aligned" if there("") else "unaligned" if there("A") or there("B") else "single"


def _layout_in_words(mode: str, datasets: Mapping[str, BaseDataset]) -> str:
    kinds = {bool(dataset.pairs[0][1]) for dataset in datasets.values() if isinstance(dataset, AlignedDataset)}
    pairs = " and ".join("pairs in two folders" if apart else "pairs A|B side by side" for apart in sorted(kinds))
    return pairs or LAYOUTS.get(mode, mode)


Told = Callable[[int, int], None]
"""Called with how many images were looked at, and how many there are."""


def diagnose(options: Options, size_multiple: int = 1, min_size: int = 1, near: bool = True,
             processes: int | None = None, told: Told | None = None) -> Report:
    """Look at every image of every split that the options' dataset finds, each decoded once.

    size_multiple, min_size: what the networks accept, in pixels; near: also look for images that are nearly the same;
    processes: that look at files, None for one a core. Shows a bar when it takes more than two seconds; told: is called
    after each image instead.
    Raises NoImages when there are none, MachineError when a process dies.
    """
    opt = options.view(DataOptions)
    datasets, findings = _open(options, size_multiple, min_size)
    facts = _look_at([file for dataset in datasets.values() for file in dataset.image_files()], opt.max_pixels,
                     processes, told)
    bad = {path: error for path, error in facts.items() if isinstance(error, UserError)}
    good = {path: fact for path, fact in facts.items() if isinstance(fact, FileFacts)}
    if bad:
        findings.append(Finding(
            "warning" if opt.skip_bad_images else "error", "unreadable",
            f"{len(bad)} of {len(facts)} images cannot be read: " + "; ".join(map(str, list(bad.values())[:5])),
            "repair or remove them, or leave them out of a training with --skip_bad_images",
            tuple((path,) for path in bad)))
    for name, dataset in list(datasets.items()):
        if bad:
            dataset.leave_out(bad.keys() & set(dataset.files()))
        if not len(dataset):
            del datasets[name]
            findings.append(Finding("error", "empty", f"no image of {name} can be read"))
    samples = {name: _samples(name, dataset, good) for name, dataset in datasets.items()}
    for name, dataset in datasets.items():
        findings += _of_a_split(name, dataset, good, opt)
    everything = [sample for split in samples.values() for sample in split]
    findings += duplicates(everything, near) + half_duplicates(everything) + odd_pairs(everything)
    findings += [finding for side, pictures in _sides(everything).items()
                 for finding in of_a_side(side, [fact for fact, _ in pictures], [image for _, image in pictures])]
    splits = {name: Split(len(datasets[name]), _counted(split), datasets[name]) for name, split in samples.items()}
    return Report(opt.dataroot, opt.dataset_mode, _layout_in_words(opt.dataset_mode, datasets), splits,
                  tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))))


def _open(options: Options, size_multiple: int, min_size: int) -> tuple[dict[str, BaseDataset], list[Finding]]:
    """The dataset of each split that is there; findings about those that cannot be opened, and what is missing."""
    opt = options.view(DataOptions)
    kind = data.find(opt.dataset_mode)
    if opt.dataset_mode == "single":
        return {WHOLE: kind(options, Preprocess(options, size_multiple, min_size))}, []
    datasets: dict[str, BaseDataset] = {}
    findings, missing = [], {}
    for phase in ("train", "val", "test"):
        try:
            datasets[phase] = kind(options.replace(phase=phase), Preprocess(options, size_multiple, min_size,
                                                                            augment=phase == "train"))
        except NoImages as error:
            missing[phase] = error
        except UserError as error:
            findings.append(Finding("error", "not_opened", f"{phase}: {error}"))
    if not datasets and not findings:
        raise missing["train"]
    if "train" in missing:
        findings.append(Finding("error", "no_training", "there are no images to train with", str(missing["train"])))
    elif {"val", "test"} <= missing.keys():
        findings.append(Finding("note", "no_test", "there is neither test/ nor val/", "put some images aside, which "
                                "training never sees, to know what it learned"))
    return datasets, findings


def _look_at(files: Sequence[ImageFile], max_pixels: float, processes: int | None, told: Told | None
             ) -> dict[Path, FileFacts | UserError]:
    """The facts of each file, looked at in several processes where there are many."""
    look, unique = partial(examine, max_pixels=max_pixels), list(dict.fromkeys(files))

    def shown(results: Iterable[FileFacts | UserError]) -> dict[Path, FileFacts | UserError]:
        bar = tqdm(results, "looking", len(unique), leave=False, unit=" images", delay=2,
                   disable=True if told else None)
        facts = {}
        for file, fact in zip(unique, bar, strict=True):
            facts[file.path] = fact
            if told:
                told(len(facts), len(unique))
        return facts

    count = processes or os.cpu_count() or 1
    if len(unique) <= FEW or count == 1:
        return shown(map(look, unique))
    with looking_processes(count, "--num_threads 1 or a smaller --max_pixels needs less") as pool:
        return shown(pool.map(look, unique, chunksize=4))


def _samples(split: str, dataset: BaseDataset, facts: Mapping[Path, FileFacts]) -> list[Sample]:
    """What is compared with each other: pairs as a whole, other images alone. The dataset's own bad files are gone."""
    if isinstance(dataset, AlignedDataset):
        both = [tuple(facts[path] for path in pair if path) for pair in dataset.pairs]
        return [Sample(split, "AB", own, tuple(picture for fact in own for picture in fact.pictures)) for own in both]
    sources, (source, target) = set(dataset.sources()), "BA" if dataset.swap else "AB"  # as the folders are called
    return [Sample(split, source if path in sources else target, (facts[path],), facts[path].pictures)
            for path in dict.fromkeys(dataset.files())]


def _sides(samples: Iterable[Sample]) -> dict[str, list[tuple[FileFacts, Any]]]:
    """Each image with the file that it is in, by the name of its side."""
    sides: dict[str, list[tuple[FileFacts, Any]]] = {}
    for sample in samples:
        for place, name in enumerate(sample.side):
            sides.setdefault(name, []).append((sample.facts[min(place, len(sample.facts) - 1)],
                                               sample.pictures[place]))
    return sides


def _counted(samples: Sequence[Sample]) -> dict[str, Side]:
    return {name: Side(len(images), Counter(f"{image.size[0]}x{image.size[1]}" for _, image in images),
                       Counter(fact.mode for fact, _ in images), Counter(fact.format for fact, _ in images))
            for name, images in _sides(samples).items()}


def _of_a_split(name: str, dataset: BaseDataset, facts: Mapping[Path, FileFacts], opt: DataOptions) -> list[Finding]:
    """What the trainer itself would say before its first step, what it would pass over, and sizes it would change."""
    looks = {path: facts[path].look._replace(size=dataset.planned_size(path, facts[path].look.size))
             for path in dict.fromkeys(dataset.files())}
    sizes = {path: look.size for path, look in looks.items()}
    findings = _unused(name, dataset)
    said = [notice for notice in dataset.notices if not (findings and "no partner" in notice)]  # told with its files
    for check in (partial(choose_ranges, dataset, looks), partial(dataset.doubts, sizes),
                  partial(check_sizes, dataset, sizes, opt.batch_size)):
        try:
            said += check()
        except UserError as error:
            findings.append(Finding("error", "refused", f"{name}: {error}"))
    for notice in said:
        severity, _, text = notice.partition(": ")
        findings.append(Finding("warning" if severity == "warning" else "note", "trainer", f"{name}: {text}"))
    return findings + _resized(name, sizes, dataset.preprocess, opt)


def _unused(name: str, dataset: BaseDataset) -> list[Finding]:
    """Images of a split of pairs that no sample is made of, for want of a partner."""
    if not isinstance(dataset, AlignedDataset) or dataset.pairs[0][1] is None:
        return []
    used, folder = set(dataset.files()), dataset.root / name
    folders = [folder] if folder.is_dir() else [Path(f"{folder}{side}") for side in "AB"]
    alone = [path for place in folders for path in list_images(place) if path not in used]
    return [Finding("warning", "no_partner", f"{name}: {len(alone)} images have no partner of the same name",
                    "give both files of a pair the same name (endings may differ), or remove them",
                    tuple((path,) for path in alone))] if alone else []


def _resized(name: str, sizes: Mapping[Path, Size], preprocess: Preprocess, opt: DataOptions) -> list[Finding]:
    """Images that are enlarged to be large enough, or squeezed."""
    findings = []
    crop, load, scale = preprocess.crop_size, preprocess.load_size, PREPROCESS[opt.preprocess].scale
    small = [path for path, size in sizes.items() if size[0] < crop[0] or size[1] < crop[1]]
    if small and scale != "none":
        least = min(min(sizes[path]) for path in small)
        fitting = least // preprocess.size_multiple * preprocess.size_multiple
        at_their_size = (f"train at their size, with --load_size {fitting * min(load) // min(crop)} --crop_size "
                         f"{fitting}" if fitting >= max(1, preprocess.min_size) else
                         "choose a --netG that takes smaller ones, such as resnet_9blocks or unet_128")
        at_their_size += ", or continue them by their reflection, with --preprocess crop --pad reflect"
        findings.append(Finding(
            "warning", "small", f"{name}: {len(small)} of {len(sizes)} images are smaller than --crop_size "
            f"{opt.crop_size}; the shortest side has {least} pixels",
            f"they are enlarged, which blurs them: leave them out, or {at_their_size}",
            tuple((path,) for path in small)))
    squeezed = [path for path, (width, height) in sizes.items()
                if not 0.9 < width * load[1] / (height * load[0]) < 1.1]
    if squeezed and scale == "square":
        path = squeezed[0]
        width, height = sizes[path]
        shape = "square" if load[0] == load[1] else f"shaped like {load[0]}x{load[1]}"
        findings.append(Finding(
            "note", "squeezed", f"{name}: {len(squeezed)} of {len(sizes)} images are not {shape}, such as {path} "
            f"with {width}x{height}; --preprocess {opt.preprocess} squeezes them to {load[0]}x{load[1]}",
            "--preprocess scale_width_and_crop keeps their proportions", tuple((path,) for path in squeezed)))
    return findings

