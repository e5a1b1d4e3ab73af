"""Find a class by the name of the file it lives in, as models/ and data/ do.

`cycle_gan` of the package `models` is the class CycleGANModel in models/cycle_gan_model.py:
the file is `<name>_<kind>.py`, the class is the name without underscores plus the kind, in any case.
Nothing is imported before it is asked for.
"""
import difflib
import importlib
from pathlib import Path
from typing import Any

from util.errors import UserError


def names(package: str, kind: str) -> list[str]:
    """The registered names, sorted: every `<name>_<kind>.py` of the package except `base_<kind>.py`."""
    ending = f"_{kind}.py"
    folders = map(Path, importlib.import_module(package).__path__)
    files = [file.name for folder in folders for file in folder.glob(f"*{ending}")]
    return sorted(name.removesuffix(ending) for name in files if name != f"base{ending}")


def find(package: str, kind: str, flag: str, name: str) -> Any:
    """The class registered as `name`.

    Raises UserError, with all valid names, when there is none; TypeError when the file lacks the class.
    """
    known = names(package, kind)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"{flag} {name!r} is not known{hint}. Known: {', '.join(known)}")
    module = importlib.import_module(f"{package}.{name}_{kind}")
    wanted = name.replace("_", "") + kind
    for attribute, value in vars(module).items():
        if isinstance(value, type) and attribute.lower() == wanted:
            return value
    raise TypeError(f"{module.__file__} must define a class whose name is {wanted!r} in any case")
