"""Looking at what is made of held-out images, one by one: all are measured, a few are kept to be shown."""
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.distributed import gather
from engine.engine import Engine
from metrics.measuring import Measuring, with_void
from models.contract import Batch, Images, Translation
from pages.pictures import pictures
from raster.value_range import BYTES, ValueRange
from runs.validation_metrics import FLAG, Chosen, measuring_device
from util.errors import UserError
from util.torchrun import rank, world_size

Sample = Mapping[str, np.ndarray]
"""The pictures of one held-out image, uint8 (H, W, 3), by label."""


class Values(NamedTuple):
    """What the values of images mean. ranges: of the files of a side, A or B; bands: to show of pictures with many."""

    ranges: Mapping[str, ValueRange]
    bands: tuple[int, ...] = ()


PLAIN = Values({"A": BYTES, "B": BYTES})


class Look:
    """Looks at what is made of the held-out images. Of several processes the first one looks at all of them, in order.

    Measured are the values that test.py would write, be they of 8 bits or not; each file counts once, however often a
    shorter pile is begun anew beside a longer one.
    """

    def __init__(self, engine: Engine, chosen: Chosen, pairs: bool, samples: int, values: Values):
        self.engine, self.most, self.values_in = engine, samples, values
        self.sent, self.seen = 0, 0  # samples: of this process, of all
        self.directions = [Direction(t, pairs, Measuring(chosen.get(t.fake, {})))
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
        visuals = self.engine.model.visuals(images) if self.measures or self._wanted else {}
        shown = pictures(visuals, self.values_in.bands) if visuals else []
        for index in range(len(batch["A"])):
            own = shown[index] if self.measures or self._wanted else {}
            values = self._values_of({label: image[index] for label, image in visuals.items()}, batch, index
                                     ) if self.measures else {}
            samples.append({
                "values": values,
                "shown": {label.removesuffix("_rgb"): torch.from_numpy(picture) for label, picture in own.items()},
                "files": {side: batch[f"{side}_paths"][index] for side in "AB" if f"{side}_paths" in batch}})
            self.sent += 1
        return samples

    def _values_of(self, images: Images, batch: Batch, index: int) -> dict[str, Tensor]:
        """The images of a sample, (C, H, W) in [-1, 1], as their files would hold them, brought to [0, 1]; NaN where
        there are no data. Gray and RGB of 8 bits are left out, which the pictures to show hold as well."""
        found = {}
        for label, image in images.items():
            side, made_from = self.engine.model.shown_as(label)
            values_in, void = self.values_in.ranges[side], batch.get(f"{made_from}_void")
            if values_in == BYTES and len(image) in (1, 3) and not (void is not None and bool(void[index].any())):
                continue
            written = values_in.from_unit(image.float().cpu().numpy(), np.dtype(values_in.dtype))
            values = (torch.from_numpy(values_in.to_unit(written)) + 1) / 2
            values = values if void is None else values.masked_fill(void[index].cpu(), torch.nan)
            found[label.removesuffix("_rgb")] = values.expand(3, -1, -1) if len(values) == 1 else values
        return found

    @property
    def _wanted(self) -> bool:
        """Whether the next sample of this process is one of those to show."""
        return rank() + self.sent * world_size() < self.most

    def _take(self, shown: Mapping[str, Tensor], values: Mapping[str, Tensor], files: Mapping[str, str]) -> None:
        """One sample, in process 0. shown: uint8 (H, W, 3) by name; values: see `_values_of`."""
        measured = {name: picture.permute(2, 0, 1) / 255 for name, picture in shown.items()} | dict(values)
        for direction in self.directions:
            direction.measure(measured, files, measuring_device(self.engine.device))
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


class Direction:
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
        """Measure a sample of those pictures, (C, H, W) in [0, 1]; files: by side."""
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
            self.measuring.add([f"{source} {target}"], with_void({role: picture[None].to(device)
                                                                  for role, picture in roles.items()}))

    def _again(self, role: str, file: str) -> bool:
        """Whether this file was there before."""
        before = bool(file.strip()) and (role, file) in self.seen
        self.seen.add((role, file))
        return before

    def line(self, shown: Mapping[str, Tensor]) -> Sample:
        """Input, translation and, of pairs, the truth, as uint8 (H, W, 3) by name; {} where the model shows none."""
        names = [self.names[role] for role in ("source", "fake", *(["real"] if self.pairs else []))]
        return {name: shown[name].numpy() for name in names} if set(names) <= shown.keys() else {}
