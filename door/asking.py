"""From keywords to the frozen options that a command line would give."""
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

from opening import TESTING, adopt_run
from options.command_line import Adopted, Command, nothing_to_adopt, parse
from options.schema import Options
from util.errors import UserError


def ask(command: Command, keywords: Mapping[str, Any], adopt: Callable[[Options], Adopted] = nothing_to_adopt
        ) -> Options:
    """The options of a command by keywords: no_flip=True is --no_flip, crop_size=(256, 512) is --crop_size 256,512.

    None leaves an option out. Raises OptionError as a command line does.
    """
    return parse(command, [f"--{name}={_text(value)}" for name, value in keywords.items() if value is not None], adopt)


def ask_for_run(run: str | os.PathLike[str], keywords: Mapping[str, Any]) -> Options:
    """The options with which test.py would translate single pictures with the run in a folder, with a generator alone,
    or with one on the Hub.

    Raises UserError when there is none or it does not translate in the --direction, OptionError for wrong keywords.
    """
    from runs.hub import local_place
    from runs.trained_run import open_run

    folder = local_place(run).resolve()
    where = {"name": folder.name, "checkpoints_dir": folder.parent, "dataroot": "-", "output": "-"}
    for name in where.keys() & keywords.keys():
        raise UserError(f"load() knows {name} already: the run is the folder, and pictures come one by one; leave it "
                        "out")
    options = ask(TESTING, {**where, **keywords}, lambda opt: adopt_run(opt, TESTING))
    trained = open_run(folder, options.declared).options.get("direction")
    asked, suffix = keywords.get("direction"), options.as_dict().get("model_suffix", "")
    if not suffix and trained and asked not in (None, trained):
        raise UserError(f"{folder} holds one generator, trained with --direction {trained}: it does not translate "
                        f"{asked}; leave out the direction, or load a run of that direction")
    return options


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "inf" if value == math.inf else os.fspath(value) if isinstance(value, os.PathLike) else str(value)
