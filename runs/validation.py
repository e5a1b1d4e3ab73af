"""Validation while training: metrics, and a few samples to look at, of the held-out images."""
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from engine.averaged import means_in_place
from engine.distributed import from_rank_0
from engine.engine import Engine
from engine.validation import validate
from models.contract import Batch
from options.groups import TrainCommandOptions, validated_every
from options.schema import Options, did_you_mean
from pages.bands import read_bands
from pages.pictures import to_pictures
from raster.results import range_of_results
from raster.value_range import BYTES
from runs.followed import Followed
from runs.looking import PLAIN, Look, Sample, Values
from runs.validation_metrics import FLAG, MEANS, Chosen, choose_label_metrics, higher_is_better, require_enough
from util.errors import UserError
from util.torchrun import rank


class HeldOut(Protocol):
    """What gives the held-out images.

    images: how many samples there are; least_side: of the smallest image, in pixels, as the networks see it.
    """

    images: int
    least_side: int

    @property
    def fewest(self) -> int:
        """How many different images there are of the side with fewer."""

    def first(self, count: int) -> Iterator[Batch]:
        """The first `count` images in batches: of several processes, each gets its share."""


@dataclass(frozen=True)
class Measured:
    """values: of each metric by name, in all processes; samples: the fixed ones, in process 0: what a direction makes
    of each, by its name: the input, the translation and, of pairs, the truth.
    """

    values: dict[str, float]
    samples: dict[str, Sample] = field(default_factory=dict)


class Validation:
    """Measures a training on held-out images. Alone and in several processes it gives the same numbers."""

    def __init__(self, engine: Engine, held_out: HeldOut, chosen: Chosen, pairs: bool, samples: int, every: int,
                 values: Values = PLAIN):
        """chosen: what is measured beside the model's own metrics; pairs: whether each sample is a pair; samples: how
        many are shown; every: epochs between two validations; values: of the images.
        """
        self.engine, self.held_out, self.chosen, self.pairs = engine, held_out, chosen, pairs
        self.samples, self.every, self.values = samples, every, values

    def due(self, epoch: int, last: int) -> bool:
        """Whether to validate after `epoch`; after the last one in any case."""
        return epoch % self.every == 0 or epoch == last

    def check(self, best_metric: str) -> bool:
        """Try it on one image; returns whether more of the best metric is better.

        UserError when something cannot be measured, or `best_metric` ('' for none) is not among what is.
        """
        look, higher = self._look(1), higher_is_better(self.chosen)
        own = validate(self.engine, self.held_out.first(1), look)
        if rank() == 0:
            look.require_all_roles()
        known = [*own, *(told for told in higher if not told.startswith(MEANS))]
        if self.engine.model.averaged:
            known += [f"{MEANS}{told}" for told in known]
        if best_metric and best_metric not in known:
            raise UserError(f"--best_metric {best_metric} is not measured{did_you_mean(best_metric, known)}. Measured: "
                            f"{', '.join(known)}. {FLAG} adds others")
        return higher.get(best_metric, False)

    def measure(self) -> Measured:
        """The numbers of now, and of the running means if there are any; the samples are those of the raw weights."""
        raw = self._measure()
        if not self.engine.model.averaged:
            return raw
        with means_in_place(self.engine.model.nets, self.engine.model.averaged):
            means = self._measure().values
        return Measured({**raw.values, **{f"{MEANS}{name}": value for name, value in means.items()}}, raw.samples)

    def _look(self, samples: int) -> Look:
        return Look(self.engine, self.chosen, self.pairs, samples, self.values)

    def _measure(self) -> Measured:
        look = self._look(self.samples)
        own = validate(self.engine, self.held_out.first(self.held_out.images), look)
        return Measured({**own, **from_rank_0(look.values)}, look.samples)


def open_validating(engine: Engine, held_out: HeldOut | None, chosen: Chosen, pairs: bool, options: Options
                    ) -> tuple[Validation | None, Followed, list[str]]:
    """What validates, None without images to validate on, what follows it, and notices.

    chosen: what to measure beside metrics of labels; pairs: whether each sample is one.
    UserError when something that the options ask for cannot be measured.
    """
    opt = options.view(TrainCommandOptions)
    if held_out is None:
        return None, Followed(), []
    require_enough(chosen, held_out.fewest, held_out.least_side)
    labels, notices = choose_label_metrics(options, engine.model.translations, partial(_pictures_of, held_out))
    chosen = {fake: {**told, **labels.get(fake, {})} for fake, told in chosen.items()}
    values = Values({"A": range_of_results(opt.input_range, BYTES, "input_range"),
                     "B": range_of_results(opt.output_range, BYTES, "output_range")},
                    read_bands(opt.show_bands, (opt.input_nc, opt.output_nc)))
    validation = Validation(engine, held_out, chosen, pairs, opt.val_samples, validated_every(opt), values)
    higher = bool(opt.best_metric or any(chosen.values())) and validation.check(opt.best_metric)
    on = f"{held_out.images} images of --val_phase {opt.val_phase}"
    return validation, Followed(opt.best_metric, higher, bool(opt.best_metric), on), notices


def _pictures_of(held_out: HeldOut, side: str) -> Iterator[Tensor]:
    """The held-out images of a side as pictures, (3, H, W) in [0, 1]."""
    for batch in held_out.first(held_out.images):
        yield from (torch.from_numpy(picture).permute(2, 0, 1) / 255 for picture in to_pictures(batch[side]))
