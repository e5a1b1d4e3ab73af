"""The options saved with a run, and what testing and going on take over from them.

Which ones is said where they are declared: see `option` in schema.py.
"""
import json
import math
from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from options.classic import read_classic_text
from options.groups import DataOptions
from options.preprocess import PREPROCESS
from options.schema import Given, Option, OptionError, Options


def read_saved(folder: Path, declared: Mapping[str, Option]) -> tuple[dict[str, Any], str]:
    """The options a run was trained with, and the file they were read from.

    Reads train_opt.json, else the train_opt.txt or opt.txt of the classic implementation; ({}, "") when there is none.
    Options that are not `declared` here keep what the file says.
    """
    path = folder / "train_opt.json"
    if path.is_file():
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
            return _with_ranges(plain_values({name: row["value"] for name, row in rows.items()})), str(path)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise OptionError(f"{path} is damaged ({error}); restore or remove it") from None
    for path in (folder / "train_opt.txt", folder / "opt.txt"):
        if path.is_file():
            texts = read_classic_text(path.read_text(encoding="utf-8", errors="replace"))
            return {name: _value(text, declared.get(name)) for name, text in texts.items()}, str(path)
    return {}, ""


def _with_ranges(values: dict[str, Any]) -> dict[str, Any]:
    """Values by name, in which the bits that earlier versions saved have become ranges."""
    for side in ("input", "output"):
        if bits := int(values.pop(f"{side}_bits", 0)):
            values[f"{side}_range"] = f"uint16:0,{(1 << bits) - 1}"
    return values


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name as JSON gave them, ready to be taken for those of options. TypeError when one cannot be."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: object) -> str | int | float | bool:
    """A value read from JSON, where "inf" stands for infinity. TypeError when an option cannot have it."""
    if not isinstance(value, str | int | float):
        raise TypeError(f"{value!r} is no value of an option")
    return math.inf if value == "inf" else value


def _value(text: str, option: Option | None) -> Any:
    try:
        return option.read(text) if option else text
    except ArgumentTypeError:
        return text


def from_run(opt: Options, name: str, value: Any, where: str) -> Given:
    """The `value` that the file `where` has for an option, with its source; nothing when the user gave one.

    OptionError when it is no value of that option.
    """
    if opt.given(name):
        return {}
    try:
        return {name: (opt.declared[name].read(str(value)), f"trained run ({where})")}
    except ArgumentTypeError as error:
        raise OptionError(f"{where}: {name} {error}; give --{name}") from None


def adopt_to_go_on(opt: Options, trained: Mapping[str, Any], where: str) -> Given:
    """What a training that goes on takes over from the options `trained` of its run (found in the file `where`): all
    that was not given, but for what holds for one command alone.

    OptionError, with both values, when the command line changes what a training cannot go on without.
    """
    adopted: Given = {}
    fixed = []
    trained = _without_ranges_asked_for(opt, trained)
    for name, option in opt.declared.items():
        if name not in trained or option.once:
            continue
        adopted |= from_run(opt, name, trained[name], where)
        asked = opt.as_dict()[name]
        if opt.given(name) and option.structure and not option.alike(asked, trained[name]):
            fixed.append(f"  --{name}: {trained[name]} in the run, {asked} here")
    if fixed:
        rows = "\n".join(fixed)
        raise OptionError(f"a training cannot go on with other networks or data ({where}):\n{rows}\n"
                          "leave these out, or begin another --name with --init_from")
    return adopted


def adopt_to_test(opt: Options, trained: Mapping[str, Any], where: str) -> Given:
    """What a test takes over from the options `trained` of the run: what its weights mean, and how images are sampled.

    OptionError, with both values, when the command line contradicts what the weights mean.
    """
    _refuse_two_sizes(opt)
    adopted: Given = {}
    trained = _without_ranges_asked_for(opt, trained)
    for name, value in _with_sizes_to_test(opt, trained, where).items():
        option = opt.declared.get(name)
        if option is None or option.training_only or not (option.structure or option.sampling):
            continue
        adopted |= from_run(opt, name, value, where)
        asked = opt.as_dict()[name]
        if opt.given(name) and not option.sampling and not option.alike(asked, value):
            raise OptionError(f"--{name} {asked} does not fit the trained run, which has {name} {value} ({where}); "
                              f"leave out --{name}: it is taken from the run")
    way, source = adopted.get("preprocess", (opt.view(DataOptions).preprocess, "command line"))
    if way == "none" and not opt.given("keep_size"):
        adopted["keep_size"] = True, f"--preprocess none ({source})"
    return adopted


def _without_ranges_asked_for(opt: Options, trained: Mapping[str, Any]) -> Mapping[str, Any]:
    """`trained` without the ranges of both sides where the user gave one for both."""
    if not opt.given("value_range"):
        return trained
    return {name: value for name, value in trained.items() if name not in ("input_range", "output_range")}


def _refuse_two_sizes(opt: Options) -> None:
    """OptionError when images are to keep their size, and to be brought to another one."""
    if opt.given("keep_size") and opt.as_dict()["keep_size"]:
        given = [name for name in ("load_size", "crop_size") if opt.given(name)]
        if opt.given("preprocess") and opt.view(DataOptions).preprocess != "none":
            given.insert(0, "preprocess")
        if given:
            raise OptionError(f"--keep_size translates images at their own size, and --{given[0]} "
                              f"{opt.as_dict()[given[0]]} asks for another one: leave out one of the two")


def _with_sizes_to_test(opt: Options, trained: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`trained` with the sizes of a test: networks trained on crops see whole images at the scale they learned from."""
    asked = opt.view(DataOptions)
    crop_size = asked.crop_size if opt.given("crop_size") else trained.get("crop_size", asked.crop_size)
    values = dict(trained) | {"crop_size": crop_size, "load_size": crop_size}
    way = PREPROCESS.get(values.pop("preprocess", ""))
    if way and not any(opt.given(name) for name in ("preprocess", "load_size", "crop_size")):
        if way.scale == "none":
            values["preprocess"] = "none"
        elif way.scale == "width":
            if "load_size" not in trained:
                raise OptionError(f"{where} says preprocess {trained['preprocess']} and no load_size; give "
                                  "--load_size, the width in pixels that images had in training")
            values |= {"preprocess": "scale_width", "load_size": trained["load_size"]}
    return values


def differences(opt: Options, before: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Options that are not what they were: name -> (before, now). Those that hold for one command do not count."""
    return {name: (before[name], value) for name, value in opt.as_dict().items()
            if name in before and not opt.declared[name].once and before[name] != value}
