"""Which metrics are measured, and what they are made with."""
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import metrics
from engine.device import choose_device
from evaluation.command_line import Asked
from evaluation.samples import Direction
from metrics.base_metric import FeatureNet, Metric, SetMetric, Tools
from metrics.confusion import ConfusionMetric
from metrics.features import choose_features
from metrics.palette import ALIKE, NEAR_SHARE, Palette, find_palette, read_palette
from options.groups import TestCommandOptions
from util.errors import UserError

DEFAULT = ("mae", "rec")  # they need no extra, no weights and no palette
CPU = torch.device("cpu")
LOOKED_AT = 16  # real pictures that a palette is compared with
Reals = Callable[[], Iterable[np.ndarray]]
"""The real pictures of a direction, as a Sample has them, as often as they are asked for."""


@dataclass(frozen=True)
class Misfit:
    """Metrics that do not fit a direction. said: which, and why; more: what was found in pictures that should show
    labels, and what to do, which is of no use where another direction is that of the labels."""

    said: str
    more: str = ""

    def __str__(self) -> str:
        return f"{self.said}: {self.more}" if self.more else self.said


@dataclass(frozen=True)
class Fitted:
    """The metrics of a direction by name; notices: what was found for them; misfits: those that do not fit."""

    metrics: dict[str, Metric]
    notices: list[str]
    misfits: list[Misfit]

    @property
    def of_labels(self) -> bool:
        """Whether the direction is one of labels."""
        return any(isinstance(metric, ConfusionMetric) for metric in self.metrics.values())


@dataclass(frozen=True)
class Choice:
    """names: of the metrics, () for those of DEFAULT that fit; the others as the options of evaluate.py say it, None
    where they are left out."""

    names: Sequence[str] = ()
    palette: Path | None = None
    features: str = "inception"
    feature_weights: Path | None = None
    device: torch.device = CPU

    @cached_property
    def kinds(self) -> dict[str, type[Metric]]:
        """The classes of the metrics. UserError, which lists them all, when there is none of that name."""
        try:
            return {name: metrics.find(name) for name in self.names or DEFAULT}
        except UserError as error:
            listed = "".join(f"\n  {name:<10} {metrics.find(name).about}" for name in metrics.names())
            raise UserError(f"{error}{listed}") from None

    @cached_property
    def classes(self) -> Palette | None:
        """Those of the palette's file. UserError when it cannot be read."""
        return read_palette(self.palette) if self.palette else None

    @property
    def looks_first(self) -> bool:
        """Whether metrics are made with what the real pictures show: classes of labels, features of their own."""
        return any(issubclass(kind, ConfusionMetric) or (issubclass(kind, SetMetric) and self.features == "self")
                   for kind in self.kinds.values())

    @cached_property
    def inception(self) -> Callable[[], FeatureNet]:
        """Makes the network of published FIDs, once for all directions."""
        return choose_features("inception", self.feature_weights)

    def require_one_network(self, directions: Sequence[Direction]) -> None:
        """UserError when --feature_weights would be the network of two target domains."""
        if (len(directions) > 1 and self.features == "self" and self.feature_weights
                and any(issubclass(kind, SetMetric) for kind in self.kinds.values())):
            raise UserError(f"{self.feature_weights} holds a network of one target domain, and these are results of "
                            f"{' and '.join(direction.arrow for direction in directions)}; leave out --feature_weights "
                            "and each has one of its own")

    def fit(self, direction: Direction, reals: Reals) -> Fitted:
        """The metrics that fit a direction. UserError when something is missing that they are made with."""
        reasons = {name: reason for name, kind in self.kinds.items() if (reason := _misfit(kind, direction))}
        fitting = {name: kind for name, kind in self.kinds.items() if name not in reasons}
        misfits = [_told([name for name in reasons if reasons[name] == reason], direction, reason)
                   for reason in dict.fromkeys(reasons.values())]
        palette, notices = None, list[str]()
        if of_labels := [name for name, kind in fitting.items() if issubclass(kind, ConfusionMetric)]:
            try:
                palette, notices = self._palette(reals, direction.labels["real"])
            except UserError as error:  # the other direction may be the one of labels
                misfits.append(_told(of_labels, direction, f"{direction.labels['real']} shows no labels", str(error)))
                fitting = {name: kind for name, kind in fitting.items() if name not in of_labels}
        features = (self.inception if self.features == "inception" else
                    choose_features("self", self.feature_weights, lambda: map(_without_voids, reals())))
        tools = Tools(features=lambda: features().to(self.device), palette=palette, weights=self.feature_weights)
        return Fitted({name: kind(tools) for name, kind in fitting.items()}, notices, misfits)

    def _palette(self, reals: Reals, label: str) -> tuple[Palette, list[str]]:
        """The classes of the real pictures. UserError when these are no labels, or not those of --palette."""
        pictures = map(_without_voids, reals())
        if self.classes:
            share = _share_near(self.classes, islice(pictures, LOOKED_AT))
            if share < NEAR_SHARE:
                raise UserError(f"only {share:.0%} of their pixels are near a colour of {self.palette}, expected at "
                                f"least {NEAR_SHARE:.0%}; leave out --palette to find the colours in the pictures")
            return self.classes, []
        palette = find_palette(pictures)
        colours = ", ".join(" ".join(map(str, colour)) for colour in (palette.colours * 255).round().int().tolist())
        return palette, [f"{len(palette.names)} classes were found in {label}: {colours}; --palette FILE names them"]


def to_tensor(picture: np.ndarray) -> Tensor:
    """A picture of a Sample to (C, H, W) in [0, 1], NaN where it has no data."""
    tensor = torch.from_numpy(picture.copy()).permute(2, 0, 1)
    return tensor.float() / 255 if picture.dtype == np.uint8 else tensor


def _without_voids(picture: np.ndarray) -> Tensor:
    """`to_tensor` with black pixels where there are no data."""
    return to_tensor(picture).nan_to_num(nan=0.0)


def _share_near(palette: Palette, pictures: Iterable[Tensor]) -> float:
    """The share of pixels within ALIKE gray levels of a colour of the palette. pictures: (3, H, W) in [0, 1]."""
    near = total = 0
    for picture in pictures:
        away = 255 * (picture - palette.colours[palette.classes(picture[None])[0]].permute(2, 0, 1)).abs().amax(0)
        near, total = near + int((away <= ALIKE).sum()), total + away.numel()
    return near / max(total, 1)


def _told(names: Sequence[str], direction: Direction, reason: str, more: str = "") -> Misfit:
    return Misfit(f"{', '.join(names)}: not measured of {direction.name}, as {reason}", more)


def _misfit(kind: type[Metric], direction: Direction) -> str:
    """Why a metric cannot be measured in a direction; '' when it can."""
    missing = [role for role in kind.needs if role not in direction.labels]
    if missing:
        return f"there are no pictures of {' and '.join(missing)}"
    if kind.paired and "real" in kind.needs and not direction.paired:
        return "the truth of each translation is not known"
    if not kind.any_bands and (bands := {direction.bands[role] for role in kind.needs if role in direction.bands}):
        return f"it looks at gray or RGB, and these pictures have {' and '.join(map(str, sorted(bands)))} bands"
    return ""


def choose(asked: Asked) -> Choice:
    """The choice that the options name. UserError when a metric, the palette, or a GPU is not there."""
    opt = asked.opt
    names = list(dict.fromkeys(name for word in opt.metrics.split(",") if (name := word.strip())))
    gpu = ("0", False) if asked.run is None else (asked.run.view(TestCommandOptions).gpu_ids,
                                                  asked.run.given("gpu_ids"))
    device = choose_device(*gpu)
    choice = Choice(names, Path(opt.palette) if opt.palette else None, opt.features,
                    Path(opt.feature_weights) if opt.feature_weights else None,
                    device if device.type == "cuda" else CPU)  # others lack operations
    choice.kinds, choice.classes  # what is wrong with them is told before anything is read  # noqa: B018
    return choice
