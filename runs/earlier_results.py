"""The results that a test finds in its folder: of the same inputs they give way, of others only when that is asked for.
"""
import json
import os
from pathlib import Path

from engine.distributed import from_rank_0
from options.groups import TestCommandOptions
from options.schema import Options
from util.errors import UserError

ADVICE = "--overwrite replaces them; --results_dir with another folder keeps both"


INPUTS = ("dataroot", "dataset_mode", "model", "direction", "model_suffix")  # what makes results other ones


def require_same_inputs(folder: Path, options: Options, advice: str = ADVICE) -> None:
    """UserError when the folder holds results of other INPUTS; not with --overwrite. Process 0 looks for all.

    advice: what the error says that helps.
    """
    if not options.view(TestCommandOptions).overwrite:
        from_rank_0(lambda: _refuse_others(folder, options, advice))


def _refuse_others(folder: Path, options: Options, advice: str) -> None:
    inputs = {name: value for name, value in options.as_dict().items() if name in INPUTS}
    path = folder / "test_opt.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        earlier = {name: str(rows[name]["value"]) if name in rows else inputs[name] for name in inputs}
        same_place = os.path.realpath(str(rows["dataroot"]["value"])) == os.path.realpath(inputs["dataroot"])
    except (FileNotFoundError, NotADirectoryError):  # what cannot be written is told when it is written
        return
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}), so nobody knows what the results in "
                        f"{folder} were made of. {advice}") from None
    others = [f"--{name} {earlier[name]} (now {value})" for name, value in inputs.items()
              if value != earlier[name] and not (name == "dataroot" and same_place)]
    if others:
        raise UserError(f"{folder} holds the results of {', '.join(others)}. {advice}")
