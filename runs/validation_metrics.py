"""Which metrics a training measures beside its model's own, and under which names."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

import metrics
from metrics.base_metric import Metric, SetMetric, Tools
from metrics.confusion import ConfusionMetric
from metrics.features import choose_features
from metrics.palette import find_palette
from models.contract import Translation
from options.groups import TrainCommandOptions, validated_every
from options.schema import OptionError, Options
from util.errors import UserError
from util.torchrun import world_size

FLAG = "--val_metrics"
MEANS = "ema_"  # in front of what was measured with the running means of the generators
Chosen = Mapping[str, Mapping[str, Metric]]
"""By the fake of each direction: the metrics to measure, by the names under which they are told."""


def choose_metrics(options: Options, translations: Sequence[Translation], pairs: bool, device: torch.device) -> Chosen:
    """What --val_metrics names, but for metrics of labels; see `choose_label_metrics`.

    pairs: whether the samples are pairs, also for a model that learns without them; device: where feature networks run.
    UserError for a metric that there is not, that lacks what it is made with, or that cannot be measured here, such as
    on pictures that are neither gray nor RGB;
    OptionError when an option would do nothing.
    """
    opt, kinds = options.view(TrainCommandOptions), _asked_for(options)
    idle = [f"--{name}" for name in ("val_metrics", "best_metric", "early_stop") if options.as_dict()[name]]
    if idle and not validated_every(opt):
        raise OptionError(f"{', '.join(idle)} would do nothing without validations: give --val_freq, such as "
                          "--val_freq 1 for one after each epoch")
    if kinds and not translations:
        raise UserError(f"{FLAG} {opt.val_metrics}: --model {opt.model} does not say which of its images is the "
                        "translation of which (translations, in models/contract.py), so only its own metrics can be "
                        f"measured; leave out {FLAG}")
    unpaired = [name for name, kind in kinds.items() if needs_truth(kind)]
    if unpaired and not pairs:
        possible = [name for name in metrics.names() if not needs_truth(metrics.find(name))]
        raise UserError(f"{FLAG} {','.join(unpaired)} compares a translation with its truth, and these images are not "
                        f"pairs; leave it out, measure pairs (--dataset_mode aligned), or choose of: "
                        f"{', '.join(possible)}")
    _refuse_bands(kinds, translations, {"A": opt.input_nc, "B": opt.output_nc})
    weights = Path(opt.feature_weights) if opt.feature_weights else None
    inception = choose_features("inception", weights)
    tools = Tools(lambda: inception().to(measuring_device(device)), weights=weights)
    made = {name: kind(tools) for name, kind in kinds.items() if not issubclass(kind, ConfusionMetric)}
    return {t.fake: {_told(name, t, translations): metric for name, metric in made.items()} for t in translations}


def choose_label_metrics(options: Options, translations: Sequence[Translation],
                         targets: Callable[[str], Iterable[Tensor]]) -> tuple[Chosen, list[str]]:
    """Those of --val_metrics that are of label pictures, with the classes found in the held-out targets; notices.

    targets: the pictures of a side, 'B' of real_B, each (3, H, W) in [0, 1]. UserError when no side has labels.
    """
    kinds = {name: kind for name, kind in _asked_for(options).items() if issubclass(kind, ConfusionMetric)}
    chosen: dict[str, dict[str, Metric]] = {}
    notices: list[str] = []
    if kinds and world_size() > 1:
        raise UserError(f"{FLAG} {','.join(kinds)} is measured in a training of one process; leave it out, and measure "
                        "it afterwards with evaluate.py")
    for t in translations if kinds else ():
        try:
            tools = Tools(palette=find_palette(targets(t.target.removeprefix("real_"))))
        except UserError as error:
            notices.append(f"note: {', '.join(kinds)} of {t.fake} is not measured: {error}")
            continue
        chosen[t.fake] = {_told(name, t, translations): kind(tools) for name, kind in kinds.items()}
    if kinds and not chosen:
        raise UserError("\n".join([f"{FLAG} {','.join(kinds)} cannot be measured; leave it out", *notices]))
    return chosen, notices


def measuring_device(device: torch.device) -> torch.device:
    """Where to measure in a training on `device`: others than GPUs of CUDA lack operations."""
    return device if device.type == "cuda" else torch.device("cpu")


def _asked_for(options: Options) -> dict[str, type[Metric]]:
    """The classes that --val_metrics names. UserError when there is none of a name."""
    words = (word.strip() for word in options.view(TrainCommandOptions).val_metrics.split(","))
    return {name: metrics.find(name, FLAG) for name in words if name}


def _refuse_bands(kinds: Mapping[str, type[Metric]], translations: Sequence[Translation], channels: Mapping[str, int]
                  ) -> None:
    """UserError when a metric would look at pictures that are neither gray nor RGB. channels: by side."""
    for t in translations:
        sides = {"source": t.source, "rec": t.source, "fake": t.target, "real": t.target}
        for name, kind in kinds.items():
            for role in kind.needs:
                side = sides[role].removeprefix("real_")
                if channels[side] not in (1, 3) and not kind.any_bands:
                    able = ", ".join(known for known in metrics.names() if metrics.find(known).any_bands)
                    raise UserError(f"{FLAG} {name} measures pictures that are gray or RGB, and those of {side} have "
                                    f"{channels[side]} channels; leave it out, or choose of: {able}")


def _told(name: str, t: Translation, translations: Sequence[Translation]) -> str:
    """psnr where there is one direction, psnr_fake_B where there are two."""
    return name if len(translations) == 1 else f"{name}_{t.fake}"


def needs_truth(kind: type[Metric]) -> bool:
    """Whether it compares each translation with its truth."""
    return kind.paired and "real" in kind.needs


def higher_is_better(chosen: Chosen) -> dict[str, bool]:
    """Of each metric that is told, with the running means too, whether more of it is better."""
    directions = {name: metric.better == "higher" for told in chosen.values() for name, metric in told.items()}
    return {**directions, **{f"{MEANS}{name}": higher for name, higher in directions.items()}}


def require_enough(chosen: Chosen, images: int, least_side: int) -> None:
    """UserError when held-out images are too few or too small for a metric.

    images: how many different ones there are of the side with fewer; least_side: of the smallest, in pixels, as the
    networks see it.
    """
    flat = {name: metric for told in chosen.values() for name, metric in told.items()}
    sets = [name for name, metric in flat.items() if isinstance(metric, SetMetric)]
    if sets and images < 2:
        raise UserError(f"{FLAG}: {', '.join(sets)} compares two sets of at least 2 pictures, and there is {images} "
                        "held-out image of a side; leave it out or put more images into the folder of --val_phase")
    for name, metric in flat.items():
        if least_side < metric.least_side:
            raise UserError(f"{FLAG}: {name} needs pictures of at least {metric.least_side} pixels a side, and a "
                            f"held-out image has {least_side}; leave {name} out, or bring them to a larger size")
