"""A run to be measured directly: it translates in memory and writes no pictures."""
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

import data
from engine.device import choose_device
from evaluation.hiding import Hiding
from evaluation.samples import Sample, Source, directions
from opening import left_out, make_engine, open_images, unreadable
from options.groups import TestCommandOptions
from options.schema import Options
from pages.pictures import stretched
from runs.shared_results import SharedNames
from runs.trained_run import open_run
from runs.translating import Translated, translate
from util.errors import UserError
from util.torchrun import world_size


def a_run(options: Options) -> Source:
    """What test.py would write by the same options: the same pictures, rounded to 8 bits.

    UserError as in test.py.
    """
    if world_size() > 1:
        raise UserError("evaluate.py measures in one process, and torchrun started several; start it with python")
    opt = options.view(TestCommandOptions)
    run = open_run(Path(opt.checkpoints_dir, opt.name), options.declared)
    device = choose_device(opt.gpu_ids, options.given("gpu_ids"))
    loader = open_images(options, run, device)
    engine = make_engine(options, device, run)
    count = min(opt.num_test, loader.images)
    hiding = Hiding(engine)
    made = hiding.watch(translate(loader, count, SharedNames(loader.dataset.sources(), count), engine))
    samples = _samples(made, opt.aspect_ratio)
    first = next(samples)  # it shows which pictures the model makes
    found = directions(list(first[1]), opt.direction, data.find(opt.dataset_mode).paired)
    if not found:
        raise UserError(f"--model {opt.model} shows no fake_B or fake_A that could be measured, only "
                        f"{', '.join(first[1])}")
    said = [*loader.notices, engine.describe(opt.verbose), *left_out(loader, options)]
    return Source(opt.name, f"{opt.dataroot}, {opt.phase}", found, chain([first], samples), said,
                  lambda: [*hiding.warnings(), *(said.removeprefix("note: ") for said in unreadable(loader.skipped))])


def _samples(made: Iterable[Translated], aspect_ratio: float) -> Iterator[Sample]:
    for batch in made:
        for name, pictures in zip(batch.names, batch.pictures, strict=True):
            yield name, {label: np.asarray(stretched(picture, aspect_ratio)) for label, picture in pictures.items()}
