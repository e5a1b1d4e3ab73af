"""How a training begins in its folder: anew, from its state, or from its weights."""
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.distributed import from_rank_0, hand_out
from options.groups import TrainCommandOptions
from options.saved import differences, read_saved
from options.schema import Options
from runs.overwriting import forget, keep_until_saved, never_saved, tidy
from runs.run_folder import holds_a_run, holds_weights
from runs.state_file import load_state
from util.errors import UserError
from util.torchrun import rank, restarts, world_size

State = dict[str, Any]
"""Everything that a training goes on from."""
Changed = Mapping[str, tuple[Any, Any]]
"""Options that are not what they were in the run: before and now by name."""


@dataclass(frozen=True)
class Beginning:
    """How the user asks to begin.

    continue_train: go on, or it is an error. resume: go on if there is something, else start. overwrite: start anew
    where a run is. one_save: go on from the weights of a certain save, as in the classic code. first_epoch: if given.
    """

    continue_train: bool = False
    resume: bool = False
    overwrite: bool = False
    one_save: bool = False
    first_epoch: int | None = None

    @property
    def begins_anew(self) -> bool:
        """Whether a run that was put aside is to be overwritten again."""
        return self.overwrite and not self.continue_train


@dataclass(frozen=True)
class Start:
    """What to begin with: a state, or the weights in the folder, or nothing; and what to tell the user.

    Of several processes the first one knows all of it, each has the state; `own` in it is what belongs to that process,
    `processes` how many there were.
    """

    state: State | None = None
    from_weights: bool = False
    notices: tuple[str, ...] = ()


def how_to_begin(options: Options) -> Beginning:
    """How the options ask to begin."""
    opt = options.view(TrainCommandOptions)
    return Beginning(
        continue_train=opt.continue_train,
        resume=opt.resume == "auto" or restarts() > 0,  # torchrun has started the same command anew
        overwrite=opt.overwrite,
        one_save=opt.load_iter > 0 or opt.epoch != "latest",
        first_epoch=opt.epoch_count if options.given("epoch_count") else None)


def find_start(folder: Path, options: Options) -> Start:
    """What to begin with, in all processes; the folder is tidied. UserError when it may not begin so."""
    start = _find_start(folder, options) if rank() == 0 else Start()
    found = start.state or {}
    common = {name: part for name, part in found.items() if name != "ranks"}
    ranks = found.get("ranks") or [{}]  # in process 0
    state = from_rank_0(lambda: common and common | {"processes": len(ranks)})
    own = hand_out([ranks[number % len(ranks)] for number in range(world_size())])  # new ones remember what others do
    return replace(start, state=state | {"own": own} if state else None)


def _find_start(folder: Path, options: Options) -> Start:
    how = how_to_begin(options)
    tidied = tidy(folder, how.begins_anew)
    changed = differences(options, read_saved(folder, options.declared)[0])
    start = go_on(folder, how, changed) if goes_on(folder, how) else begin_anew(folder, how, changed)
    return replace(start, notices=(*tidied, *start.notices))


def goes_on(folder: Path, how: Beginning) -> bool:
    """Whether to go on with what a tidy folder holds; else to begin anew."""
    return how.continue_train or (how.resume and holds_a_run(folder) and not never_saved(folder))


def begin_anew(folder: Path, how: Beginning, changed: Changed) -> Start:
    """Make room in the folder; a run in it that is to be overwritten is put aside until the new one has saved.

    UserError when there is one and nobody said that it may be overwritten.
    """
    if holds_a_run(folder) and not (how.overwrite or how.resume):
        _refuse_to_overwrite(folder, changed)
    lost = holds_a_run(folder) and never_saved(folder)
    keep_until_saved(folder)
    return Start(notices=(f"note: {folder} held a training that was stopped before its first state: begun anew",)
                 if lost else ())


def go_on(folder: Path, how: Beginning, changed: Changed) -> Start:
    """What to go on from. UserError when nothing is there, or it is not what the user asked for."""
    if how.one_save:
        state, notices = None, [f"note: going on from the weights in {folder}, with new optimizers"]
    else:
        state, notices = _find_state(folder, how.first_epoch or 1)
    notices += [f"note: --{name} was {old}, is now {new}" for name, (old, new) in changed.items()]
    if state:
        epoch, images = state["moment"]["epoch"], state["moment"]["images"]
        if how.first_epoch not in (None, epoch):
            raise UserError(f"--epoch_count {how.first_epoch} does not agree with {folder}, which goes on in epoch "
                            f"{epoch}; leave out --epoch_count")
        notices.append(f"going on with {folder} in epoch {epoch}, after {images} images")
    forget(folder)
    return Start(state, from_weights=state is None, notices=tuple(notices))


def _find_state(folder: Path, first_epoch: int) -> tuple[dict[str, Any] | None, list[str]]:
    """The state to go on from and notices; (None, notices) when there are only weights. UserError: nothing is there."""
    found = load_state(folder)
    if found:
        return found
    if holds_weights(folder):
        return None, [f"note: {folder} holds weights and no state: going on from the weights, with new optimizers, in "
                      f"epoch {first_epoch} (--epoch_count)"]
    raise UserError(f"--continue_train: {folder} holds neither a state nor weights to go on from; "
                    "leave it out to start, or give the --name and --checkpoints_dir of the run")


def _refuse_to_overwrite(folder: Path, changed: Changed) -> None:
    """UserError that shows what differs from the run in the folder and the two ways on."""
    differing = "".join(f"\n  --{name}: {before} there, {now} here" for name, (before, now) in changed.items())
    raise UserError(f"{folder} already holds a run" + (f" with other options:{differing}" if differing else ".")
                    + "\n--continue_train goes on with it, --overwrite starts anew and removes it; "
                      "or give another --name")
