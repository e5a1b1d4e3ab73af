"""Where a training stands between two steps: its steps, its saving and its going on."""
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine.distributed import everyone, from_rank_0, gather, hand_out, mean, same_everywhere
from engine.engine import Engine
from engine.step_result import NotFinite, Report
from runs.health import Health
from runs.recorder import Moment, Recorder
from runs.state_file import save_state
from runs.warm_start import init_from
from runs.weight_files import load_nets, prefix, save_nets
from util.errors import MachineError
from util.files import write_atomically
from util.torchrun import rank, world_size

OWN = ("model", "rng", "cuda_rng")  # what of an engine's state each process has for itself


def find_in_rank_0(find: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """The state that `find` gives in process 0, or None, in all processes; `own` in it is what belongs to this one."""
    found: dict[str, Any] = {}

    def common() -> dict[str, Any] | None:
        found.update(find() or {})
        return {name: part for name, part in found.items() if name != "ranks"} or None

    state = from_rank_0(common)
    return state and state | {"own": hand_out(_for_each_process(found.get("ranks", [{}])))}


def _for_each_process(ranks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each process goes on from; those that are new have the pools of another one and random numbers of their own."""
    if len(ranks) == world_size() or rank() > 0:
        return ranks
    print(f"note: this training ran in {len(ranks)} processes and goes on in {world_size()}: it learns on from here, but "
          "not with the same numbers")
    added = [{"model": ranks[number % len(ranks)]["model"]} for number in range(len(ranks), world_size())]
    return (ranks + added)[:world_size()]


class Training:
    """A training in its folder. epoch_length: images an epoch.

    val_losses: a value for each epoch done, for --lr_policy plateau; skipped: steps left out because a loss was NaN.
    """

    def __init__(self, engine: Engine, folder: Path, opt: Any, epoch_length: int):
        self.engine, self.folder, self.opt = engine, folder, opt
        self.last_epoch = opt.n_epochs + opt.n_epochs_decay
        self.moment = Moment(opt.epoch_count, epoch_length)
        self.val_losses: list[float] = []
        self.skipped = 0
        self.unchecked: deque[tuple[Report, Moment, list[str]]] = deque()  # a GPU tells of a NaN some steps later
        self.health = Health(engine.model.translations)

    def begin(self, state: Mapping[str, Any] | None) -> None:
        """Stand where `state` was saved, or load the weights that the options name; write the options to the folder."""
        if world_size() > 1:
            size = self.opt.batch_size
            print(f"batch: {world_size() * size} images ({world_size()} processes x {size})")
        if rank() == 0:
            self._load_weights(state)
            write_atomically(self.folder / "train_opt.json", self.opt.as_json())
            write_atomically(self.folder / "train_opt.txt", self.opt.as_classic_text())
        same_everywhere(self.engine.model.nets)
        if rank() > 0:
            torch.manual_seed(self.opt.seed + rank())  # dropout and pools of its own
        if state:
            self.engine.load_state(self.engine.state() | state["engine"] | state["own"])
            self.moment = self._same_epoch(Moment(**state["moment"]))
            self.val_losses, self.skipped = list(state["val_losses"]), state["skipped"]
            self.health.load_state(state["health"])

    def _load_weights(self, state: Mapping[str, Any] | None) -> None:
        """The weights that the options name, when there is no state."""
        nets = self.engine.model.nets
        if not state and self.opt.init_from:
            print("\n".join(init_from(Path(self.opt.init_from), nets)))
        elif not state and self.opt.continue_train:
            load_nets(self.folder, prefix(self.opt.epoch, self.opt.load_iter), nets)

    def _same_epoch(self, saved: Moment) -> Moment:
        """`saved`, or the beginning of its epoch when the dataset has grown or shrunk since."""
        length = self.moment.epoch_length
        if saved.epoch_length == length:
            return saved
        print(f"note: an epoch has {length} images now and had {saved.epoch_length}: epoch {saved.epoch} begins anew")
        return replace(saved, epoch_length=length, images=0)

    @property
    def in_epoch(self) -> bool:
        """Whether images of this epoch are left."""
        return self.moment.images < self.moment.epoch_length

    @property
    def images_in_all(self) -> int:
        """How many images the whole training sees."""
        return self.moment.total + (self.last_epoch - self.moment.epoch + 1) * self.moment.epoch_length - self.moment.images

    def step(self, batches: Sequence[Mapping[str, Any]], lr: float, recorder: Recorder) -> None:
        """One training step, recorded. A loss that is NaN ends the training or, with --on_nan skip, the step."""
        self.moment = self.moment.after(sum(batch["asked"] for batch in batches))
        last = self.moment.epoch == self.last_epoch and not self.in_epoch
        log = self.moment.due(self.opt.print_freq)
        report = self.engine.step(*batches)
        self.unchecked.append((report, self.moment, [path for batch in batches for path in batch["A_paths"]]))
        if report in self._look_back(recorder, unchecked=0 if log or last else self.engine.ahead):
            return
        losses = mean(report.losses) if log or last else report.losses
        recorder.after_step(self.moment, lr, losses, partial(self.engine.model.visuals, report.images), last)
        if log and rank() == 0:
            for warning in self.health.check({name: loss.item() for name, loss in losses.items()}, report.images):
                recorder.warn(warning)

    def _look_back(self, recorder: Recorder, unchecked: int = 0) -> list[Report]:
        """The steps, but for the newest `unchecked`, that learned nothing; says which they are, or raises MachineError."""
        bad = []
        while len(self.unchecked) > unchecked:
            report, moment, paths = self.unchecked.popleft()
            try:
                report.require_finite()
            except NotFinite as error:
                own = f"{error} in epoch {moment.epoch} after {moment.images} images, with {', '.join(paths)}" if error.term else ""
                said = next(filter(None, everyone(own)), f"a loss in epoch {moment.epoch} is not finite")
                if self.opt.on_nan == "stop":
                    raise MachineError(
                        f"{said}.\nThe last good state is kept in {self.folder}. Try a lower --lr, another --gan_mode or "
                        "--norm, look at these images, or leave such steps out with --on_nan skip") from None
                self.skipped += 1
                recorder.progress.say(f"warning: {said}; step left out, {self.skipped} so far")
                bad.append(report)
        return bad

    def end_epoch(self, recorder: Recorder) -> None:
        """Go to the next epoch; save when this one is to be kept, or a save is due."""
        epoch, opt = self.moment.epoch, self.opt
        kept = epoch == self.last_epoch or opt.save_epoch_freq > 0 and epoch % opt.save_epoch_freq == 0
        recorder.update_page(self.moment)
        self.moment = self.moment.next_epoch()
        if kept and rank() == 0:
            save_nets(self.folder, str(epoch), self.engine.model.nets)
        if kept or self.moment.due(opt.save_latest_freq):
            self.save(recorder)

    def save(self, recorder: Recorder) -> None:
        """Write the latest weights, and everything needed to go on exactly; with --save_by_iter, iter_N weights too."""
        self._look_back(recorder)
        engine = self.engine.state()
        ranks = gather({name: engine.pop(name) for name in OWN})
        if rank() > 0:
            return
        save_nets(self.folder, "latest", self.engine.model.nets)
        if self.opt.save_by_iter and self.moment.due(self.opt.save_latest_freq):
            save_nets(self.folder, f"iter_{self.moment.total}", self.engine.model.nets)
        save_state(self.folder, {
            "engine": engine,
            "ranks": ranks,
            "moment": asdict(self.moment),
            "val_losses": self.val_losses,
            "skipped": self.skipped,
            "health": self.health.state(),
            "logs": recorder.log.sizes(),
        })
