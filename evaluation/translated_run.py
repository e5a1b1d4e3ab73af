"""A run as the results of a test: translated by test.py, or as it was translated before."""
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from door.commands import load_command
from engine.shortage import explain_shortage
from opening import MEMORY_ADVICE, TESTING, adopt_run
from options.command_line import parse
from options.groups import TestCommandOptions
from options.schema import Options
from runs.earlier_results import require_same_inputs
from runs.run_folder import WEIGHTS
from runs.translating import results_folder

NOT_IN_PICTURES = ("num_test", "verbose", "overwrite", "num_threads", "worker_timeout", "cache", "max_pixels",
                   "display_winsize", "autotune")  # options of a test that its pictures do not show, but for rounding
ADVICE = "--results_dir with another folder keeps both (--overwrite is for the folder of --output here)"


@dataclass(frozen=True)
class Test:
    """What test.py is to do with a run. results: the folder where that goes."""

    run: Path
    options: Options
    results: Path


def plan(run: Path, words: Sequence[str]) -> Test:
    """What test.py does with a run. words: its flags. Raises what test.py raises for a wrong command line."""
    where, command = run.resolve(), TESTING
    name = _name(where)
    options = parse(command, [f"--name={name}", f"--checkpoints_dir={where.parents[len(name.parts) - 1]}", *words],
                    lambda opt: adopt_run(opt, command))
    return Test(where, options, results_folder(options.view(TestCommandOptions)))


def _name(run: Path) -> PurePath:
    """What the run was called in training, such as group/maps, if it still lies so; else the name of its folder."""
    try:
        name = PurePath(json.loads((run / "train_opt.json").read_bytes())["name"]["value"])
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return PurePath(run.name)
    return name if name.parts and run.parts[-len(name.parts):] == name.parts else PurePath(run.name)


def translate(test: Test, say: Callable[[Iterable[str]], None]) -> None:
    """Make the results. Raises what test.py raises; results of other inputs are not replaced. say: shows the user
    lines.

    Results that lie there already are left where test.py would make the same again: with these options, at least as
    many images, and weights that are older.
    """
    when = _made(test)
    if when is not None and when > max(path.stat().st_mtime for path in test.run.glob(WEIGHTS)):
        date = time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
        say([f"note: {test.results} holds what test.py made of {test.run.name} on {date}, which is used; remove it to "
             "translate anew"])
        return
    require_same_inputs(test.results, test.options, ADVICE)
    say(test.options.notices)
    with explain_shortage(MEMORY_ADVICE):
        load_command("test").test(test.options)


def _made(test: Test) -> float | None:
    """When the results that lie there were made, in seconds, if with these options; else None."""
    try:
        rows = json.loads((test.results / "test_opt.json").read_bytes())
        earlier = {name: row["value"] for name, row in rows.items()}
        when = (test.results / "names.json").stat().st_mtime
    except (OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    wanted = {name: row["value"] for name, row in json.loads(test.options.as_json()).items()}
    for name in ("dataroot", "checkpoints_dir", "results_dir"):  # may be written in several ways
        wanted[name], earlier[name] = (os.path.realpath(str(values.get(name))) for values in (wanted, earlier))
    differ = [name for name in {*wanted, *earlier} - set(NOT_IN_PICTURES) if wanted.get(name) != earlier.get(name)]
    enough = isinstance(earlier.get("num_test"), int) and earlier["num_test"] >= wanted["num_test"]
    return when if enough and not differ else None
