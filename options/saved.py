"""The options saved with a run, and what testing takes over from them."""
import json
import math
from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from options.classic import read_classic_text
from options.schema import Option, OptionError, Options

Given = dict[str, tuple[Any, str]]
"""Values by option name, each with its source."""
STRUCTURE = ("model", "dataset_mode", "direction", "netD", "ndf", "n_layers_D", "gan_mode")  # beside the architecture
ARCHITECTURE = ("netG", "ngf", "norm", "no_dropout", "input_nc", "output_nc")


def read_saved(folder: Path, declared: Mapping[str, Option]) -> tuple[dict[str, Any], str]:
    """The options a run was trained with, and the file they were read from.

    Reads train_opt.json, else the train_opt.txt or opt.txt of the classic implementation; ({}, "") when there is none.
    Options that are not `declared` here keep what the file says.
    """
    path = folder / "train_opt.json"
    if path.is_file():
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
            return {name: math.inf if row["value"] == "inf" else row["value"] for name, row in rows.items()}, str(path)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise OptionError(f"{path} is damaged ({error}); restore or remove it") from None
    for path in (folder / "train_opt.txt", folder / "opt.txt"):
        if path.is_file():
            texts = read_classic_text(path.read_text(encoding="utf-8", errors="replace"))
            return {name: _value(text, declared.get(name)) for name, text in texts.items()}, str(path)
    return {}, ""


def _value(text: str, option: Option | None) -> Any:
    try:
        return option.read(text) if option else text
    except ArgumentTypeError:
        return text


def adopt(opt: Options, trained: Mapping[str, Any], where: str) -> Given:
    """What a test takes over from the options `trained` of the run (found in the file `where`): values with sources.

    The architecture must agree with what the command line says (OptionError, with both values); sizes and direction
    are only new defaults.
    """
    adopted = {name: _valid(name, trained[name], opt, where) for name in ARCHITECTURE if name in trained}
    for name, value in adopted.items():
        asked = getattr(opt, name)
        if opt.given(name) and asked != value and {asked, value} != {"batch", "syncbatch"}:
            raise OptionError(f"--{name} {asked} does not fit the trained run, which has {name} {value} ({where}); "
                              f"leave out --{name}: it is taken from the run")
    adopted |= _sizes(opt, {name: _valid(name, trained[name], opt, where)
                            for name in ("preprocess", "load_size", "crop_size", "direction") if name in trained})
    return {name: (value, f"trained run ({where})") for name, value in adopted.items() if not opt.given(name)}


def _valid(name: str, value: Any, opt: Options, where: str) -> Any:
    try:
        return opt.declared[name].read(str(value))
    except ArgumentTypeError as error:
        raise OptionError(f"{where}: {name} {error}") from None


def _sizes(opt: Options, trained: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes and direction for testing. Networks trained on crops see whole images, at the scale they learned from."""
    crop_size = opt.crop_size if opt.given("crop_size") else trained.get("crop_size", opt.crop_size)
    sizes = {"crop_size": crop_size, "load_size": crop_size}
    if not any(opt.given(name) for name in ("preprocess", "load_size", "crop_size")):
        if trained.get("preprocess") in ("crop", "none"):
            sizes["preprocess"] = "none"
        elif trained.get("preprocess") in ("scale_width", "scale_width_and_crop"):
            sizes |= {"preprocess": "scale_width", "load_size": trained["load_size"]}
    return sizes | ({"direction": trained["direction"]} if "direction" in trained else {})


def differences(opt: Options, before: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Options that are not what they were: name -> (before, now). Those that say how to go on do not count."""
    how = ("continue_train", "resume", "overwrite", "init_from", "epoch", "load_iter", "epoch_count", "max_minutes",
           "verbose")
    return {name: (before[name], value) for name, value in opt.as_dict().items()
            if name in before and name not in how and before[name] != value}


def refuse_other_structure(changed: Mapping[str, tuple[Any, Any]]) -> None:
    """OptionError, with both values, when an option changed that a training cannot go on without."""
    fixed = {name: changed[name] for name in (*STRUCTURE, *ARCHITECTURE) if name in changed}
    if fixed:
        rows = "\n".join(f"  --{name}: {before} in the run, {now} here" for name, (before, now) in fixed.items())
        raise OptionError(f"a training cannot go on with other networks or data:\n{rows}\n"
                          "give these as in the run, or begin another --name with --init_from")
