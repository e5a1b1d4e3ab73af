"""Validation while training: metrics, and a few samples to look at, of the held-out images."""
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from engine.averaged import means_in_place
from engine.distributed import from_rank_0, gather
from engine.engine import Engine
from engine.validation import validate
from metrics.measuring import Measuring
from models.contract import Batch, Images, Translation
from options.groups import TrainCommandOptions
from options.schema import Options, did_you_mean
from pages.pictures import pictures, to_pictures
from runs.followed import Followed
from runs.validation_metrics import (
    FLAG,
    MEANS,
    Chosen,
    choose_label_metrics,
    higher_is_better,
    measuring_device,
    require_enough,
)
from util.errors import UserError
from util.torchrun import rank, world_size

Sample = Mapping[str, np.ndarray]
"""The pictures of one held-out image, uint8 (H, W, 3), by label."""


class HeldOut(Protocol):
    """What gives the held-out images; `images`: how many there are."""

    images: int

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

    def __init__(self, engine: Engine, held_out: HeldOut, chosen: Chosen, pairs: bool, samples: int, every: int):
        """chosen: what is measured beside the model's own metrics; pairs: whether each sample is a pair; samples: how
        many are shown; every: epochs between two validations.
        """
        self.engine, self.held_out, self.chosen, self.pairs = engine, held_out, chosen, pairs
        self.samples, self.every = samples, every

    def due(self, epoch: int, last: int) -> bool:
        """Whether to validate after `epoch`; after the last one in any case."""
        return epoch % self.every == 0 or epoch == last

    def check(self, best_metric: str) -> bool:
        """Try it on one image; returns whether more of the best metric is better.

        UserError when something cannot be measured, or `best_metric` ('' for none) is not among what is.
        """
        look, higher = _Look(self.engine, self.chosen, self.pairs, 1), higher_is_better(self.chosen)
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

    def _measure(self) -> Measured:
        look = _Look(self.engine, self.chosen, self.pairs, self.samples)
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
    require_enough(chosen, held_out.images)
    labels, notices = choose_label_metrics(options, engine.model.translations, partial(_pictures_of, held_out))
    chosen = {fake: {**told, **labels.get(fake, {})} for fake, told in chosen.items()}
    every = 1 if opt.lr_policy == "plateau" else opt.val_freq
    validation = Validation(engine, held_out, chosen, pairs, opt.val_samples, every)
    higher = bool(opt.best_metric or any(chosen.values())) and validation.check(opt.best_metric)
    return validation, Followed(opt.best_metric, higher, kept=bool(opt.best_metric)), notices


def _pictures_of(held_out: HeldOut, side: str) -> Iterator[Tensor]:
    """The held-out images of a side as pictures, (3, H, W) in [0, 1]."""
    for batch in held_out.first(held_out.images):
        yield from (torch.from_numpy(picture).permute(2, 0, 1) / 255 for picture in to_pictures(batch[side]))


class _Look:
    """Looks at what is made of the held-out images. Of several processes the first one looks at all of them, in order.

    Measured are the pictures of 8 bits that test.py would write; each file counts once, however often a shorter pile is
    begun anew beside a longer one.
    """

    def __init__(self, engine: Engine, chosen: Chosen, pairs: bool, samples: int):
        self.engine, self.most = engine, samples
        self.sent, self.seen = 0, 0  # samples: of this process, of all
        self.directions = [_Direction(t, pairs, Measuring(chosen.get(t.fake, {})))
                           for t in engine.model.translations]
        self.measures = any(chosen.values())
        self.samples: dict[str, Sample] = {}

    def __call__(self, batch: Batch, images: Images) -> None:
        """Look at a batch; all processes at once, ({}, {}) when there is none left."""
        if not (self.measures or self.most):
            return
        own = self._to_look_at(batch, images) if batch else []
        for one_of_each in zip_longest(*gather(own)):  # process r has the samples r, r + W, r + 2 W, ...
            for sample in filter(None, one_of_each):
                self._take(**sample)

    def _to_look_at(self, batch: Batch, images: Images) -> list[dict[str, Any]]:
        """The samples of a batch: its pictures by name and its files by side; no pictures where nobody wants them."""
        samples = []
        shown = pictures(self.engine.model.visuals(images)) if self.measures or self._wanted else []
        for index in range(len(batch["A"])):
            own = shown[index] if self.measures or self._wanted else {}
            samples.append({
                "shown": {label.removesuffix("_rgb"): torch.from_numpy(picture) for label, picture in own.items()},
                "files": {side: batch[f"{side}_paths"][index] for side in "AB" if f"{side}_paths" in batch}})
            self.sent += 1
        return samples

    @property
    def _wanted(self) -> bool:
        """Whether the next sample of this process is one of those to show."""
        return rank() + self.sent * world_size() < self.most

    def _take(self, shown: Mapping[str, Tensor], files: Mapping[str, str]) -> None:
        """One sample, in process 0. shown: uint8 (H, W, 3) by name."""
        for direction in self.directions:
            direction.measure(shown, files, measuring_device(self.engine.device))
            if self.seen < self.most and (lines := direction.line(shown)):
                file = files.get(direction.source_side, "")
                several = f" to {direction.names['fake']}" if len(self.directions) > 1 else ""
                self.samples[f"{self.seen + 1}: {Path(file).stem}{several}"] = lines
        self.seen += 1

    def values(self) -> dict[str, float]:
        """The metrics by name, in process 0."""
        return {name: value.value for direction in self.directions
                for name, value in direction.measuring.report().values.items()}

    def require_all_roles(self) -> None:
        """UserError when a metric looks at pictures that this model does not show."""
        for direction in self.directions:
            for name, metric in direction.measuring.metrics.items():
                if missing := set(metric.needs) - direction.roles:
                    raise UserError(f"{FLAG}: {name} needs {', '.join(sorted(missing))}, which this model does not "
                                    f"show beside {direction.names['fake']}; leave it out")


class _Direction:
    """One direction of translation: its pictures by role."""

    def __init__(self, translation: Translation, pairs: bool, measuring: Measuring):
        self.pairs, self.measuring = pairs, measuring
        self.source_side = translation.source.removeprefix("real_")
        self.target_side = translation.target.removeprefix("real_")
        self.names = {"source": translation.source, "fake": translation.fake, "real": translation.target,
                      "rec": f"rec_{self.source_side}"}
        self.seen: set[tuple[str, str]] = set()
        self.roles: set[str] = set()

    def measure(self, shown: Mapping[str, Tensor], files: Mapping[str, str], device: torch.device) -> None:
        """Measure a sample of those pictures; files: by side."""
        roles = {role: shown[name] for role, name in self.names.items() if name in shown}
        self.roles |= roles.keys()
        if not self.measuring.metrics:
            return
        source, target = files.get(self.source_side, ""), files.get(self.target_side, "")
        if not self.pairs and self._again("real", target):
            roles.pop("real", None)
        if self._again("source", f"{source} {target}" if self.pairs else source):
            roles = {role: picture for role, picture in roles.items() if role == "real"}
        if roles:
            self.measuring.add([f"{source} {target}"], {role: picture.permute(2, 0, 1)[None].to(device) / 255
                                                        for role, picture in roles.items()})

    def _again(self, role: str, file: str) -> bool:
        """Whether this file was there before."""
        before = bool(file.strip()) and (role, file) in self.seen
        self.seen.add((role, file))
        return before

    def line(self, shown: Mapping[str, Tensor]) -> Sample:
        """Input, translation and, of pairs, the truth, as uint8 (H, W, 3) by name; {} where the model shows none."""
        names = [self.names[role] for role in ("source", "fake", *(["real"] if self.pairs else []))]
        return {name: shown[name].numpy() for name in names} if set(names) <= shown.keys() else {}
