"""A run to be measured directly: it translates in memory and writes no pictures."""
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from torch import Tensor

import data
from engine.device import choose_device
from evaluation.hiding import Hiding
from evaluation.samples import Sample, Source, directions, in_unit
from opening import left_out, make_engine, open_images, unreadable
from options.groups import TestCommandOptions
from options.schema import Options
from pages.pictures import stretched, to_pictures
from raster.results import native
from runs.shared_results import SharedNames
from runs.shown import Like, Likeness
from runs.trained_run import open_run
from runs.translating import Translated, translate
from util.errors import UserError
from util.torchrun import world_size


def a_run(options: Options) -> Source:
    """What test.py would write by the same options: the same values, rounded as in its files.

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
    samples = _samples(made, Likeness(engine.model, loader.dataset.range_of, opt), opt.aspect_ratio)
    first = next(samples)  # it shows which pictures the model makes
    found = directions(list(first[1]), opt.direction, data.find(opt.dataset_mode).paired,
                       {label: picture.shape[2] for label, picture in first[1].items()})
    if not found:
        raise UserError(f"--model {opt.model} shows no fake_B or fake_A that could be measured, only "
                        f"{', '.join(first[1])}")
    said = [*loader.notices, engine.describe(opt.verbose), *left_out(loader, options)]
    return Source(opt.name, f"{opt.dataroot}, {opt.phase}", found, chain([first], samples), said,
                  lambda: [*hiding.warnings(), *(said.removeprefix("note: ") for said in unreadable(loader.skipped))])


def _samples(made: Iterable[Translated], likeness: Likeness, aspect_ratio: float) -> Iterator[Sample]:
    for done in made:
        for index, (name, images) in enumerate(zip(done.names, done.samples, strict=True)):
            yield name, {label: _picture(image, likeness, likeness.of(label, done.batch, index), aspect_ratio)
                         for label, image in images.items()}


def _picture(image: Tensor, likeness: Likeness, like: Like, aspect_ratio: float) -> np.ndarray:
    """An image (C, H, W) as one of a Sample."""
    if like.is_plain(image):
        return np.asarray(stretched(to_pictures(image[None])[0], aspect_ratio))
    void = None if like.void is None else like.void.numpy()
    written = native(image.numpy(), like.values, likeness.header_of(like.file), void)
    return in_unit(written, like.values, void is not None)
