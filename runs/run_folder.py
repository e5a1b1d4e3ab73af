"""What a run's folder holds already, and whether a training may begin in it."""
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runs.state_file import LATEST, PREVIOUS, load_state
from util.errors import UserError

STATES = (LATEST, PREVIOUS, "next_state.pth")
LOGS = ("loss_log.txt", "metrics.jsonl")
PAGE = "web/page.json"


def holds_a_run(folder: Path) -> bool:
    """Whether a training left weights or a state in the folder, which a new one would overwrite."""
    return holds_weights(folder) or holds_a_state(folder)


def holds_a_state(folder: Path) -> bool:
    """Whether there is a state to go on from."""
    return any((folder / name).exists() for name in (LATEST, PREVIOUS))


def can_go_on(folder: Path) -> bool:
    """Whether --resume auto has something to go on from: a state, or classic weights.

    A training of ours that was killed before its first state was complete begins anew.
    """
    return holds_a_state(folder) or holds_weights(folder) and not (folder / "train_opt.json").exists()


def holds_weights(folder: Path) -> bool:
    """Whether there are weight files."""
    return any(folder.glob("*_net_*.pth"))


def clear_run(folder: Path) -> None:
    """Remove the states, weights, logs and page state of the run before."""
    for path in (*folder.glob("*_net_*.pth"), *(folder / name for name in (*STATES, *LOGS, PAGE))):
        path.unlink(missing_ok=True)


def refuse_to_overwrite(folder: Path, changed: Mapping[str, tuple[Any, Any]]) -> None:
    """UserError that shows what differs from the run in the folder (option -> before, now) and the two ways on."""
    differing = "".join(f"\n  --{name}: {before} there, {now} here" for name, (before, now) in changed.items())
    raise UserError(f"{folder} already holds a run" + (f" with other options:{differing}" if differing else ".")
                    + "\n--continue_train goes on with it, --overwrite starts anew and removes it; "
                      "or give another --name")


def find_state(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The state to go on from and notices; (None, notices) when there are only weights. UserError: nothing is there."""
    found = load_state(folder)
    if found:
        return found
    if holds_weights(folder):
        return None, [f"note: {folder} holds weights and no state: going on from the weights, with new optimizers"]
    raise UserError(f"--continue_train: {folder} holds neither a state nor weights to go on from; "
                    "leave it out to start, or give the --name and --checkpoints_dir of the run")
