"""Where a training stands between two steps: its steps, its saving and its going on."""
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from util.checkpoint import load_nets, prefix, save_nets
from util.engine import Engine
from util.errors import MachineError
from util.files import write_atomically
from util.health import Health
from util.loggers import Moment, Recorder
from util.report import NotFinite, Report
from util.state_file import save_state
from util.warm_start import init_from


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
        nets = self.engine.model.nets
        if state:
            self.engine.load_state(state["engine"])
            self.moment = self._same_epoch(Moment(**state["moment"]))
            self.val_losses, self.skipped = list(state["val_losses"]), state["skipped"]
            self.health.load_state(state["health"])
        elif self.opt.init_from:
            print("\n".join(init_from(Path(self.opt.init_from), nets)))
        elif self.opt.continue_train:
            load_nets(self.folder, prefix(self.opt.epoch, self.opt.load_iter), nets)
        write_atomically(self.folder / "train_opt.json", self.opt.as_json())
        write_atomically(self.folder / "train_opt.txt", self.opt.as_classic_text())

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
        if not self._sound(recorder, unchecked=0 if log or last else self.engine.ahead):
            return
        recorder.after_step(self.moment, lr, report.losses, partial(self.engine.model.visuals, report.images), last)
        if log:
            for warning in self.health.check({name: loss.item() for name, loss in report.losses.items()}, report.images):
                recorder.warn(warning)

    def _sound(self, recorder: Recorder, unchecked: int = 0) -> bool:
        """Whether all steps but the newest `unchecked` learned something; says which did not, or raises MachineError."""
        sound = True
        while len(self.unchecked) > unchecked:
            report, moment, paths = self.unchecked.popleft()
            try:
                report.require_finite()
            except NotFinite as error:
                said = f"{error} in epoch {moment.epoch} after {moment.images} images, with {', '.join(paths)}"
                if self.opt.on_nan == "stop":
                    raise MachineError(
                        f"{said}.\nThe last good state is kept in {self.folder}. Try a lower --lr, another --gan_mode or "
                        "--norm, look at these images, or leave such steps out with --on_nan skip") from None
                self.skipped += 1
                recorder.progress.say(f"warning: {said}; step left out, {self.skipped} so far")
                sound = False
        return sound

    def end_epoch(self, recorder: Recorder) -> None:
        """Go to the next epoch; save when this one is to be kept, or a save is due."""
        epoch, opt = self.moment.epoch, self.opt
        kept = epoch == self.last_epoch or opt.save_epoch_freq > 0 and epoch % opt.save_epoch_freq == 0
        recorder.update_page(self.moment)
        self.moment = self.moment.next_epoch()
        if kept:
            save_nets(self.folder, str(epoch), self.engine.model.nets)
        if kept or self.moment.due(opt.save_latest_freq):
            self.save(recorder)

    def save(self, recorder: Recorder) -> None:
        """Write the latest weights, and everything needed to go on exactly; with --save_by_iter, iter_N weights too."""
        self._sound(recorder)
        save_nets(self.folder, "latest", self.engine.model.nets)
        if self.opt.save_by_iter and self.moment.due(self.opt.save_latest_freq):
            save_nets(self.folder, f"iter_{self.moment.total}", self.engine.model.nets)
        save_state(self.folder, {
            "engine": self.engine.state(),
            "moment": asdict(self.moment),
            "val_losses": self.val_losses,
            "skipped": self.skipped,
            "health": self.health.state(),
            "logs": recorder.log.sizes(),
        })
