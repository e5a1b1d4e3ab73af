"""What a command takes over from the run in its folder: which options its own line leaves to the run."""
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from engine.distributed import from_rank_0
from options.command_line import Adopted, Command
from options.groups import TestCommandOptions, TrainCommandOptions
from options.saved import adopt_to_go_on, adopt_to_test
from options.schema import Given, Options, assemble
from runs.going_on import goes_on, how_to_begin
from runs.overwriting import place_now
from runs.run_folder import holds_a_run
from runs.trained_run import open_run, runs_beside
from runs.weight_files import prefix
from util.errors import UserError

Recognize = Callable[[Mapping[str, Any]], dict[str, Any]]
"""The options that weights show; ValueError when they are no generator's."""


def adopted_by_training(opt: Options, command: Command) -> Adopted:
    """What a training that goes on takes over: all that the command line leaves open. Process 0 reads it for all.

    UserError when there is nothing to go on from, OptionError when the line contradicts what the run's weights mean.
    """
    asked = opt.view(TrainCommandOptions)
    folder = Path(asked.checkpoints_dir, asked.name)

    def find() -> Given:
        how = how_to_begin(opt)
        place = folder if how.begins_anew else place_now(folder)  # what a killed training put aside is put back soon
        if not goes_on(place, how):
            return {}
        if not holds_a_run(place):
            raise UserError(f"--continue_train: {folder} holds neither a state nor weights to go on from; "
                            f"{runs_beside(folder)}. Leave it out to start, or give the --name and --checkpoints_dir "
                            "of the run")
        run = open_run(place, opt.declared)
        run.require_known(_known(opt, command))
        return adopt_to_go_on(opt, run.options, run.where)

    return Adopted(from_rank_0(find))


def adopted_by_testing(opt: Options, command: Command, recognize: Recognize, fits: Callable[[type, Options], bool]
                       ) -> Adopted:
    """What a test takes over: what the run's saved options say, or else what its weights show.

    fits: whether a dataset finds its images where the options say. UserError when there is no such run or nothing to
    load, OptionError when the command line contradicts it.
    """
    asked = opt.view(TestCommandOptions)
    saved = prefix(asked.epoch, asked.load_iter)
    run = open_run(Path(asked.checkpoints_dir, asked.name), opt.declared)
    run.require_known(_known(opt, command))
    one_by_one = "output" in opt and bool(opt.as_dict()["output"])  # pictures become pictures: by one generator
    alone = "colorization" if run.model == "colorization" else "test"  # whose colours need the lightness beside them
    if one_by_one and opt.given("model") and asked.model != alone:
        raise UserError(f"--output translates by one generator, and --model {asked.model} shows a page of several "
                        "pictures; leave out one of the two")
    model = alone if one_by_one else asked.model if opt.given("model") or not run.model else run.model
    suffix = ""
    if model == "test" and opt.given("model_suffix"):
        suffix = opt.as_dict()["model_suffix"]
    elif model == "test":
        suffix = run.generator_suffix(saved, asked.direction if opt.given("direction") else None)

    notices = []
    trained, where = dict(run.options), run.where
    if not trained:
        trained, where = run.shown_by_weights(saved, suffix, recognize)
        notices += _assumed_dropout(opt, trained, where)
    elif suffix.startswith("_B"):  # the way back: from the output's channels and values to the input's
        trained |= {f"{side}_{what}": trained[f"{other}_{what}"] for what in ("nc", "range")
                    for side, other in (("input", "output"), ("output", "input")) if f"{other}_{what}" in trained}
    if model != run.model:  # it asks for images in a layout of its own
        trained.pop("dataset_mode", None)
        trained.pop("model", None)
    adopted = adopt_to_test(opt, trained, where)
    if model == "test" and not opt.given("model_suffix"):
        adopted["model_suffix"] = suffix, f"the weights in {run.folder} and --direction"
    adopted, misfit = _with_fitting_dataset(opt, command, model, trained, adopted, fits)
    return Adopted(adopted, (*notices, *misfit))


def _known(opt: Options, command: Command) -> dict[str, Collection[str]]:
    """The names that a run's model and dataset must be among, where the line leaves them to it."""
    known = {"model": command.model_names(), "dataset_mode": command.dataset_names()}
    return {flag: names for flag, names in known.items() if not opt.given(flag)}


def _assumed_dropout(opt: Options, shown: Mapping[str, Any], where: str) -> list[str]:
    """A notice about what the weights do not show."""
    asked = opt.as_dict()
    if "no_dropout" in shown or opt.given("no_dropout") or asked["eval"]:
        return []
    assumed, otherwise = ("without", "false") if asked["no_dropout"] else ("with", "true")
    return [f"note: {where} is a U-Net, whose weights do not show whether it was trained with dropout: assumed "
            f"{assumed}; --no_dropout {otherwise} says otherwise"]


def _with_fitting_dataset(opt: Options, command: Command, model: str, trained: Mapping[str, Any], adopted: Given,
                          fits: Callable[[type, Options], bool]) -> tuple[Given, list[str]]:
    """`adopted`, without the run's dataset_mode where that finds no images in --dataroot: the model's own is left."""
    mode = adopted["dataset_mode"][0] if "dataset_mode" in adopted else None
    default = command.find_model(model).defaults("test").get("dataset_mode", mode)
    dataroot = opt.view(TestCommandOptions).dataroot
    if mode in (None, default) or dataroot is None:
        return adopted, []
    kind = command.find_dataset(mode)
    own = {name: trained.get(name, option.default) for name, option in assemble(kind.option_groups("test")).items()}
    values = {name: value for name, (value, _) in adopted.items()}
    if fits(kind, opt.replace(**{**kind.defaults("test"), **own, **values})):
        return adopted, []
    return ({name: row for name, row in adopted.items() if name != "dataset_mode"},
            [f"note: the run's --dataset_mode {mode} finds no images in --dataroot {dataroot}; "
             f"--dataset_mode {default} is tried, as {model} has it"])
