"""What a run knows of itself, read from the files that it has; whatever is missing is left out."""
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PureWindowsPath
from typing import Any

import data
import models
from door.translator import Translator
from exporting.ranges import as_text, ranges_of
from options.groups import LoggingOptions, TrainCommandOptions
from options.schema import Group, Option, assemble
from runs.followed import describe_best
from runs.generator_config import read_generator_config
from runs.run_folder import generator_alone
from runs.trained_run import TrainedRun, open_run
from runs.weight_files import find_weights, of_means, prefix

OF_A_MACHINE = ("dataroot", "num_threads", "worker_timeout", "display_winsize", "use_wandb", "wandb_project_name")


@dataclass(frozen=True)
class Number:
    """A metric. about: what it measures, in words; on: which pictures."""

    name: str
    value: float
    unit: str = ""
    about: str = ""
    on: str = ""


@dataclass(frozen=True)
class Facts:
    """name: of the run; model: that was trained; direction: AtoB or BtoA; network: the generator's name in its run,
    such as G_A; save: which of its saves, in words; weights: raw or ema; netG to dropout: the architecture;
    input_range, output_range: which values are -1 and 1, as --input_range takes them, or percentile; preprocess to
    crop_size: how test.py brings a picture to size; dataset: the folder's name alone; images: how many an epoch has, 0
    where that is not known; epoch, seen: the last epoch that was logged, and the images trained on until then; given:
    options that the user gave; losses: the last ones; validation: of the last epoch that has some; results: what
    evaluate.py measured of these weights.
    """

    name: str
    model: str
    direction: str
    network: str
    save: str
    weights: str
    netG: str
    ngf: int
    norm: str
    dropout: bool
    eval: bool
    input_nc: int
    output_nc: int
    input_range: str
    output_range: str
    preprocess: str
    load_size: str
    crop_size: str
    parameters: int
    version: str
    dataset: str = ""
    images: int = 0
    epoch: int = 0
    seen: int = 0
    given: Mapping[str, Any] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    results: tuple[Number, ...] = ()


def gather(translator: Translator) -> Facts:
    """The facts of the run that a translator was opened from."""
    opt, run = translator.opt, open_run(translator.run, translator.options.declared)
    ranges = ranges_of(opt)
    (network, net), = translator.engine.model.nets.items()
    alone = generator_alone(run.folder)
    lines = list(_lines(run.folder / "metrics.jsonl")) if not alone else []
    steps = [line for line in lines if "losses" in line]
    measured = [line for line in lines if "validation" in line]
    last = steps[-1] if steps else {}
    return Facts(
        name=_readable(opt.name), model=str(run.model or opt.model), direction=opt.direction,
        network=read_generator_config(run.folder)[0] if alone else network, save=_save(translator, run),
        weights=opt.weights, netG=opt.netG, ngf=opt.ngf, norm=opt.norm, dropout=has_dropout(net), eval=opt.eval,
        input_nc=opt.input_nc, output_nc=opt.output_nc,
        input_range=as_text(ranges.input), output_range=as_text(ranges.output), preprocess=opt.preprocess,
        load_size=str(opt.load_size), crop_size=str(opt.crop_size),
        parameters=sum(parameter.numel() for parameter in net.parameters()), version=_version(),
        dataset=_last_part(str(run.options.get("dataroot", ""))), images=_epoch_length(steps),
        epoch=last.get("epoch", 0), seen=last.get("total", 0), given=_given(run),
        losses=_numbers(last.get("losses", {})), validation=_numbers(measured[-1]["validation"]) if measured else {},
        results=tuple(_results(translator, network)))


def has_dropout(net: Any) -> bool:
    """Whether a generator has dropout."""
    return any(type(module).__name__.startswith("Dropout") for module in net.modules())


def _save(translator: Translator, run: TrainedRun) -> str:
    opt = translator.opt
    save = f"iteration {opt.load_iter}" if opt.load_iter > 0 else f"epoch {opt.epoch}"
    if opt.epoch == "best" and (best := describe_best(run.folder)):
        return f"the best epoch: {best}"
    return "the latest save" if save == "epoch latest" else save


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a log; a line that a killed training left is skipped."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _epoch_length(steps: list[dict[str, Any]]) -> int:
    """How many images an epoch has: those of the epochs before that of the last line, divided among them."""
    last = steps[-1] if steps else {}
    before, epochs = last.get("total", 0) - last.get("images", 0), last.get("epoch", 0) - 1
    return before // epochs if epochs > 0 and before % epochs == 0 else 0


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items()
            if isinstance(value, int | float) and math.isfinite(value)}


def _given(run: TrainedRun) -> dict[str, Any]:
    """The options of the training that the user gave, without those of a machine, of a command or of logs; of paths the
    last part."""
    try:
        rows = json.loads((run.folder / "train_opt.json").read_text(encoding="utf-8"))
        found = [(name, row["value"], row["source"]) for name, row in rows.items()]
        usual = _usual(run)
        given = {name: value for name, value, source in found if source == "command line" or source.startswith("@")
                 or (source.startswith("trained run") and name in usual
                     and str(usual[name]) != str(value))}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}
    declared = _declared(run)
    hidden = {*assemble([LoggingOptions]), *OF_A_MACHINE}
    return {name: _told(value) for name, value in given.items()
            if name not in hidden and (name == "init_from" or name not in declared or not declared[name].once)}


def _usual(run: TrainedRun) -> dict[str, Any]:
    """The options of the training as they are when none is given, as JSON has them: a training that went on does not
    know any more which of its options were.
    """
    usual = {name: option.default for name, option in _declared(run).items()}
    if run.options.get("dataset_mode") in data.names():
        usual |= data.find(run.options["dataset_mode"]).defaults("train")
    if run.model in models.names():
        usual |= models.find(str(run.model)).defaults("train")
    return json.loads(json.dumps(usual))


def _declared(run: TrainedRun) -> dict[str, Option]:
    groups: list[type[Group]] = [TrainCommandOptions]
    if run.model in models.names():
        groups += models.find(str(run.model)).option_groups("train")
    if run.options.get("dataset_mode") in data.names():
        groups += data.find(run.options["dataset_mode"]).option_groups("train")
    return assemble(groups)


def _told(value: Any) -> Any:
    """A value that may be shown to others: no path of this machine."""
    return _last_part(value) if isinstance(value, str) and not value.startswith("hf://") else value


def _last_part(path: str) -> str:
    """The last part of a path, of whichever system."""
    return _readable(PureWindowsPath(path.rstrip("/\\")).name) if path else ""


def _readable(text: str) -> str:
    """Text that can be written as UTF-8, on one line."""
    return " ".join(text.encode(errors="backslashreplace").decode().split())


def _results(translator: Translator, network: str) -> Iterator[Number]:
    """What evaluate.py measured of the results of these very weights."""
    opt = translator.opt
    saved = prefix(opt.epoch, opt.load_iter)
    means = opt.weights == "ema"
    weights = find_weights(translator.run, saved, next(iter(of_means({network: 0}))) if means else network)
    ending = saved + "_ema" * means
    for path in sorted(Path(opt.results_dir, opt.name).glob("*/metrics.json")):
        phase, _, rest = path.parent.name.partition("_")
        try:
            if rest != ending or path.stat().st_mtime < weights.stat().st_mtime:
                continue
            entries = json.loads(path.read_text(encoding="utf-8"))
            entry = next(one for one in entries if len(entries) == 1 or one["fake"] == _fake_of(network))
            for name, row in entry["metrics"].items():
                if isinstance(row["value"], int | float):
                    yield Number(name, float(row["value"]), row.get("unit", ""), row.get("about", ""),
                                 f"{entry['images']} images of the phase {phase}")
        except (OSError, ValueError, TypeError, LookupError, AttributeError, StopIteration):
            continue


def _fake_of(network: str) -> str:
    """What test.py calls the pictures of a generator that is one of two."""
    return "fake_A" if network.endswith("_B") else "fake_B"


def _version() -> str:
    try:
        return version("bothways")
    except PackageNotFoundError:
        return ""
