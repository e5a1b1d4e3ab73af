"""From what a person chooses to the words of train.py, which its own parser checks."""
from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import models
from data.doctor import layout
from data.folders import list_images
from door.commands import load_command
from models.contract import Model
from models.network_options import NetworkOptions
from options.command_line import parse
from options.groups import TrainCommandOptions
from options.preprocess import PREPROCESS
from options.schema import OptionError, Options, Sides, as_sides, one_or_two_sides, width_and_height
from studio.home import Home
from studio.lines import COMMANDS, Line, line
from util.errors import UserError

OWN = ""  # no recipe: the model's own settings
SUITED = {"aligned": "pix2pix", "unaligned": "cycle_gan"}  # layouts of images and models
PATHS = ("dataroot", "init_from", "feature_weights")  # options that name files to read
STRIP = 12  # epochs that the strip of samples shows


@dataclass(frozen=True)
class Wish:
    """What a person chooses. recipe: the name of one, or OWN; size: as --crop_size, and epochs
    (in all) and batch_size None or '' for what the recipe says; minutes: 0 for no limit; more: other flags, as typed;
    overwrite: the run of that name is to be replaced.
    """

    data: str
    name: str
    model: str = "pix2pix"
    recipe: str = OWN
    direction: str = "AtoB"
    size: str = ""
    batch_size: int | None = None
    epochs: int | None = None
    minutes: float = 0
    more: str = ""
    overwrite: bool = False


@dataclass(frozen=True)
class Asked:
    """A command that its parser accepts. options: what it means; notices: what the parser has to say."""

    line: Line
    options: Options

    @property
    def notices(self) -> tuple[str, ...]:
        """What the parser has to say."""
        return tuple(self.options.notices)


@cache
def _train() -> ModuleType:
    return load_command("train")


def recipes() -> list[str]:
    """The names of the recipes, those for a CPU first."""
    names = [path.stem for path in (COMMANDS / "recipes").glob("*.txt")]
    return sorted(names, key=lambda name: (not name.startswith("toy_"), name))


def models_to_train() -> list[str]:
    """The names of the models, the two that most people want first; without those that only translate or explain."""
    first = list(SUITED.values())
    return first + [name for name in models.names() if name not in (*first, "test", "template")]


def suggested(folder: Path) -> tuple[str, str]:
    """The model that suits how the images lie in `folder`, and a recipe for this machine: small networks without a GPU.
    """
    model = SUITED.get(layout(folder), "cycle_gan")
    small = {"pix2pix": "toy_pix2pix", "cycle_gan": "toy_cyclegan"}[model]
    return model, OWN if torch.accelerator.is_available() or small not in recipes() else small


def settings(model: str, recipe: str) -> dict[str, Any]:
    """What a recipe, or the model without one, says: model, direction, size, batch_size, epochs."""
    options = _read([*(_recipe(recipe) or ["--model", model]), "--dataroot", "."])
    opt = options.view(TrainCommandOptions)
    return {"model": opt.model, "direction": opt.direction, "size": str(opt.crop_size), "batch_size": opt.batch_size,
            "epochs": opt.n_epochs + opt.n_epochs_decay}


def asked(home: Home, wish: Wish) -> Asked:
    """The command for a wish. OptionError or UserError, with what to do, when it makes no sense."""
    if not wish.data:
        raise UserError("choose a folder of images")
    folder = home.folder_inside(wish.data)
    home.run(wish.name)
    first = [*(_recipe(wish.recipe) or ["--model", wish.model]),
             *line("train", {"dataroot": home.shown(folder), "name": wish.name}).words]
    plain = _read(first)
    changed = _changed(wish, plain, folder)
    words = line("train", {**changed, **_places(home), "max_minutes": wish.minutes or None,
                           "overwrite": wish.overwrite}).words
    more = _more(wish.more)
    return _checked(home, Line("train", (*first, *words, *more)), wish.name)


def going_on(home: Home, name: str, minutes: float = 0) -> Asked:
    """The command that goes on with a run. Errors as those of `asked`."""
    home.run(name)
    flags = {"name": name, "continue_train": True, **_places(home), "max_minutes": minutes or None}
    return _checked(home, line("train", flags), name)


def _checked(home: Home, asked_for: Line, name: str) -> Asked:
    options = _read(asked_for.words)
    opt, values = options.view(TrainCommandOptions), options.as_dict()
    if opt.name != name or Path(opt.checkpoints_dir).resolve() != home.checkpoints.resolve():
        raise OptionError("other flags may change neither the name nor the folder of the runs: the name has its field, "
                          "the folder is what app.py was started with")
    for flag in PATHS:
        if values.get(flag):
            home.inside(values[flag])
    return Asked(asked_for, options)


def _read(words: Iterable[str]) -> Options:
    command = _train()
    options: Options = parse(command.COMMAND, list(words), command.adopt_run)
    return options


def _recipe(name: str) -> list[str]:
    """The word that reads a recipe, as short as it can be typed in the current folder; [] without one."""
    if not name:
        return []
    if name not in recipes():
        raise UserError(f"there is no recipe {name!r}. Known: {', '.join(recipes())}")
    path = COMMANDS / "recipes" / f"{name}.txt"
    return [f"@{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}"]


def _changed(wish: Wish, plain: Options, folder: Path) -> dict[str, Any]:
    """The flags for what is to be other than in the `plain` options."""
    opt = plain.view(TrainCommandOptions)
    flags: dict[str, Any] = {}
    if wish.model != opt.model:
        flags["model"] = wish.model
    if opt.dataset_mode == "unaligned" and layout(folder) == "aligned" and not list_images(folder / "trainA", 1):
        flags["dataset_mode"] = "aligned"  # piles from the two halves of pairs
    if wish.direction != opt.direction:
        flags["direction"] = wish.direction
    if wish.size.strip() and (size := _size(wish.size)) != opt.crop_size:
        flags |= _sizes(size, opt, plain.view(NetworkOptions).netG)
    if wish.batch_size is not None and wish.batch_size != opt.batch_size:
        flags["batch_size"] = wish.batch_size
    epochs = opt.n_epochs + opt.n_epochs_decay
    if wish.epochs == 0:
        raise OptionError("epochs: 0 would learn nothing, expected at least 1")
    if wish.epochs and wish.epochs != epochs:
        falling = round(wish.epochs * opt.n_epochs_decay / epochs) if epochs else 0
        flags |= {"n_epochs": wish.epochs - falling, "n_epochs_decay": falling}
    if _has_held_out(folder) and models.find(wish.model).metrics is not Model.metrics:
        flags["val_freq"] = max(1, ceil((wish.epochs or epochs) / STRIP))  # so that there are samples to look at
    return flags


def _size(text: str) -> Sides:
    try:
        return one_or_two_sides(text)
    except ValueError:
        raise OptionError(f"size {text!r} is not a side in pixels, such as 256, or a height and a width, such as "
                          "256,512") from None


def _sizes(size: Sides, opt: TrainCommandOptions, netG: str) -> dict[str, Any]:
    """The flags for another size: images are scaled to as much more than the crop as before, and the U-Net is one that
    takes such a crop, where there is one.
    """
    flags: dict[str, Any] = {"crop_size": size}
    width, height = width_and_height(size)
    if PREPROCESS[opt.preprocess].scale == "square":
        before, scaled = width_and_height(opt.crop_size), width_and_height(opt.load_size)
        flags = {"load_size": as_sides(round(width * scaled[0] / before[0]), round(height * scaled[1] / before[1])),
                 **flags}
    if netG == "unet_256" and (width % 256 or height % 256) and not (width % 128 or height % 128):
        flags["netG"] = "unet_128"
    return flags


def _has_held_out(folder: Path) -> bool:
    return any(list_images(folder / f"{phase}{side}", 1) for phase in ("val", "test") for side in ("", "A", "B"))


def _places(home: Home) -> dict[str, Any]:
    """The folder of the runs, unless it is what train.py takes without a word."""
    return {} if home.checkpoints == Path("checkpoints") else {"checkpoints_dir": home.checkpoints}


def _more(text: str) -> list[str]:
    """Other flags, as they are typed."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"other flags: {error}") from None
    if files := [word for word in words if word.startswith("@")]:
        raise OptionError(f"other flags: {files[0]} would read a file of flags; choose a recipe, or type the flags")
    return words
