"""A run as the results of a test: translated by test.py, or as it was translated before."""
import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

from options.schema import Options
from util.errors import UserError

NOT_IN_PICTURES = ("num_test", "verbose", "overwrite", "num_threads", "worker_timeout", "cache", "max_pixels",
                   "display_winsize")  # options of a test that its pictures do not show


def translated(run: Path, words: Sequence[str], say: Callable[[Iterable[str]], None]) -> Path:
    """The results folder of a run. words: flags of test.py; say: shows the user lines.

    Results that lie there already are taken where test.py would make the same again: with these options, at least as
    many images, and weights that are older. Raises what test.py raises.
    """
    from engine.shortage import explain_shortage
    from networks.recognize import recognize_generator
    from options.command_line import Adopted, parse
    from options.groups import TestCommandOptions
    from runs.adopting import adopted_by_testing
    from runs.translating import results_folder

    test = _test_command()

    def adopt(opt: Options) -> Adopted:
        from data.layouts import finds_images
        return adopted_by_testing(opt, test.COMMAND, recognize_generator, finds_images)

    where = run.resolve()
    opt = parse(test.COMMAND, [f"--name={where.name}", f"--checkpoints_dir={where.parent}", *words], adopt)
    folder = results_folder(opt.view(TestCommandOptions))
    when = _made(folder, opt)
    if when is not None and when > max(path.stat().st_mtime for path in where.glob("*_net_*.pth")):
        date = time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
        say([f"note: {folder} holds what test.py made of {run} on {date}, which is used; remove it to translate anew"])
        return folder
    say(opt.notices)
    with explain_shortage(test.MEMORY_ADVICE):
        test.test(opt)
    return folder


def _made(folder: Path, options: Options) -> float | None:
    """When the results in the folder were made, in seconds, if with these options; else None."""
    try:
        earlier = {name: row["value"] for name, row in json.loads((folder / "test_opt.json").read_bytes()).items()}
        when = (folder / "names.json").stat().st_mtime
    except (OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    wanted = {name: row["value"] for name, row in json.loads(options.as_json()).items()}
    differ = [name for name in {*wanted, *earlier} - set(NOT_IN_PICTURES) if wanted.get(name) != earlier.get(name)]
    enough = isinstance(earlier.get("num_test"), int) and earlier["num_test"] >= wanted["num_test"]
    return when if enough and not differ else None


def _test_command() -> ModuleType:
    """test.py, found by its path: `import test` may find the tests of Python itself."""
    path = Path(__file__).parents[1] / "test.py"
    spec = importlib.util.spec_from_file_location("test_command", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not there; install the toolkit again")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
