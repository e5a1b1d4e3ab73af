"""Which metrics a training measures beside its model's own, and under which names."""
from collections.abc import Mapping, Sequence

import metrics
from metrics.base_metric import Metric, SetMetric, Tools
from models.contract import Translation
from options.groups import TrainCommandOptions
from options.schema import OptionError, Options
from util.errors import UserError

FLAG = "--val_metrics"
MEANS = "ema_"  # in front of what was measured with the running means of the generators
Chosen = Mapping[str, Mapping[str, Metric]]
"""By the fake of each direction: the metrics to measure, by the names under which they are told."""


def choose_metrics(options: Options, translations: Sequence[Translation], pairs: bool) -> Chosen:
    """What --val_metrics names: told as psnr where there is one direction, as psnr_fake_B where there are two.

    pairs: whether the samples are pairs, also for a model that learns without them. UserError for a metric that there
    is not, that lacks what it is made with, or that cannot be measured here; OptionError when an option would do
    nothing.
    """
    opt = options.view(TrainCommandOptions)
    idle = [f"--{name}" for name in ("val_metrics", "best_metric", "early_stop") if options.as_dict()[name]]
    if idle and opt.val_freq == 0 and opt.lr_policy != "plateau":
        raise OptionError(f"{', '.join(idle)} would do nothing without validations: give --val_freq, such as "
                          "--val_freq 1 for one after each epoch")
    asked = [name for name in (part.strip() for part in opt.val_metrics.split(",")) if name]
    kinds = {name: metrics.find(name, FLAG) for name in asked}
    if kinds and not translations:
        raise UserError(f"{FLAG} {opt.val_metrics}: --model {opt.model} does not say which of its images is the "
                        "translation of which (translations, in models/contract.py), so only its own metrics can be "
                        f"measured; leave out {FLAG}")
    unpaired = [name for name, kind in kinds.items()
                if not pairs and needs_truth(kind)]
    if unpaired:
        possible = [name for name in metrics.names() if not needs_truth(metrics.find(name))]
        raise UserError(f"{FLAG} {','.join(unpaired)} compares a translation with its truth, and these images are not "
                        f"pairs; leave it out, measure pairs (--dataset_mode aligned), or choose of: "
                        f"{', '.join(possible)}")
    made = {name: kind(Tools()) for name, kind in kinds.items()}
    return {t.fake: {name if len(translations) == 1 else f"{name}_{t.fake}": metric for name, metric in made.items()}
            for t in translations}


def needs_truth(kind: type[Metric]) -> bool:
    """Whether it compares each translation with its truth."""
    return kind.paired and "real" in kind.needs


def higher_is_better(chosen: Chosen) -> dict[str, bool]:
    """Of each metric that is told, with the running means too, whether more of it is better."""
    directions = {name: metric.better == "higher" for told in chosen.values() for name, metric in told.items()}
    return {**directions, **{f"{MEANS}{name}": higher for name, higher in directions.items()}}


def require_enough(chosen: Chosen, images: int) -> None:
    """UserError when there are fewer held-out images than a distance between sets needs."""
    sets = [name for told in chosen.values() for name, metric in told.items() if isinstance(metric, SetMetric)]
    if sets and images < 2:
        raise UserError(f"{FLAG}: {', '.join(sets)} compares two sets of at least 2 pictures, and there is {images} "
                        "held-out image; leave it out or put more images into the folder of --val_phase")
