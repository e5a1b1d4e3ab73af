"""Where a training stands between two steps: its epochs and steps, its saving and its going on."""
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from engine.distributed import gather, same_everywhere
from engine.engine import Engine
from engine.feed import groups, prefetched
from engine.schedule import Schedule
from models.contract import Batch
from options.groups import TrainCommandOptions
from options.schema import Options
from runs.followed import Followed, write_best
from runs.going_on import Start, State
from runs.health import Health
from runs.loss_means import LossMeans
from runs.moment import Moment
from runs.pace import Forecast
from runs.recorder import Recorder
from runs.refusals import Refusals
from runs.state_file import save_state, state_must_fit
from runs.stop import StopRequest
from runs.validation import Validation
from runs.warm_start import init_from
from runs.weight_files import Describe, load_nets, of_means, prefix, save_nets
from util.files import write_atomically
from util.torchrun import rank, world_size

STUDIED = 200  # images that a model may look at before the first step


class Loader(Protocol):
    """What gives the batches; `images`: how many an epoch has."""

    images: int

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, but for the first `skip` images."""

    def first(self, count: int) -> Iterator[Batch]:
        """The first `count` images in batches: of several processes, each gets its share."""


class Training:
    """A training in its folder. epoch_length: images an epoch.

    followed: the metric of the validations.
    """

    def __init__(self, engine: Engine, folder: Path, options: Options, schedule: Schedule, epoch_length: int,
                 followed: Followed | None = None):
        self.engine, self.folder, self.options, self.schedule = engine, folder, options, schedule
        self.opt = options.view(TrainCommandOptions)
        self.moment = Moment(self.opt.epoch_count, epoch_length)
        self.followed = followed or Followed()
        self.refusals = Refusals(folder, self.opt.on_nan)
        self.fresh = True  # nothing was learned before
        self.logged_epoch = 0  # the newest with a line of losses
        self.means = LossMeans(engine.device)
        self.health = Health(engine.model.translations)
        self.forecast = Forecast(engine.device.type)

    def begin(self, start: Start, describe: Describe = lambda state: "") -> list[str]:
        """Stand where the state was saved, or load the weights to begin with; write the options to the folder.

        describe: says of weights that do not fit what they belong to. Returns notices. UserError when the weights are
        missing or the state does not fit.
        """
        notices, state = [], start.state
        if world_size() > 1:
            size = self.opt.batch_size
            notices.append(f"batch: {world_size() * size} images ({world_size()} processes x {size})")
        if rank() == 0:
            notices += self._load_weights(start, describe)
        same_everywhere(dict(self.engine.model.nets.items()))
        self.engine.restart_means()
        if state:
            self.fresh = False
            with state_must_fit(self.folder):
                # pop: it is as large as all that is trained, and the caller keeps the state
                self.engine.load_state(state.pop("engine") | {"exchange": {}} | {
                    name: state["own"][name] for name in ("model", "exchange") if name in state["own"]})
                saved = Moment(**state["moment"])
                notices += self._differences(state)
                notices += self._take_place(saved, state.get("logged_epoch", saved.epoch - 1))
                notices += self.followed.load_state(state["val_losses"], state.get("followed", {}))
                self.refusals.count = state["skipped"]
                self.health.load_state(state["health"])
                self.means.load_state(state["own"].get("losses", []))  # which an older state lacks
        if rank() == 0:  # not earlier: a start that is refused leaves the run's options as they were
            write_atomically(self.folder / "train_opt.json", self.options.as_json())
            write_atomically(self.folder / "train_opt.txt", self.options.as_classic_text())
        return notices

    def _load_weights(self, start: Start, describe: Describe) -> list[str]:
        """The weights that the options name, when there is no state."""
        nets = dict(self.engine.model.nets.items())
        if start.from_weights:
            load_nets(self.folder, prefix(self.opt.epoch, self.opt.load_iter), nets, describe)
        elif not start.state and self.opt.init_from:
            return init_from(self.opt.init_from, nets, describe)
        return []

    def _differences(self, state: State) -> list[str]:
        """Why the training goes on with other random numbers than it would have had."""
        notices = []
        if state["processes"] != world_size():
            notices.append(f"note: this training ran in {state['processes']} processes and goes on in {world_size()}: "
                           "it learns on from here, but what is random or remembered for each process is not the same")
        if "rng" in state["own"]:
            notices.append("note: this state was written by an earlier version, whose random numbers were another "
                           "sequence: the training learns on from here, but not with the same numbers")
        return notices

    def _take_place(self, saved: Moment, logged_epoch: int) -> list[str]:
        """Stand at `saved`, or at the beginning of its epoch when the dataset has grown or shrunk since."""
        length, self.moment = self.moment.epoch_length, saved
        self.logged_epoch = logged_epoch
        if saved.epoch_length == length:
            return []
        self.moment = replace(saved, epoch_length=length, images=0)
        return [f"note: an epoch has {length} images now and had {saved.epoch_length}: epoch {saved.epoch} begins anew"]

    @property
    def images_in_all(self) -> int:
        """How many images the whole training sees."""
        now = self.moment
        return now.total + (self.schedule.last_epoch - now.epoch + 1) * now.epoch_length - now.images

    def run(self, loader: Loader, validation: Validation | None, recorder: Recorder, stop: StopRequest) -> None:
        """Train until the last epoch is over, no epoch gets better, or `stop` has a reason; logs and saves on the way.
        """
        if self.fresh:
            self.engine.model.study(lambda: loader.first(STUDIED))
            same_everywhere(dict(self.engine.model.frozen.items()))
        for epoch in range(self.moment.epoch, self.schedule.last_epoch + 1):
            lr = self.schedule.rate(epoch, self.followed.values)
            self._train_epoch(loader, lr, recorder, stop)
            if not self.moment.in_epoch:
                better = validation is not None and self._validate(validation, recorder)
                recorder.progress.say(f"End of epoch {epoch} / {self.schedule.last_epoch}, learning rate {lr:.7f}")
                last = epoch == self.schedule.last_epoch
                ended = "" if last else self.followed.exhausted(self.opt.early_stop)
                if ended:
                    recorder.end_early(f"ended early: {ended}")
                self.end_epoch(recorder, better, last or bool(ended))
                stop.check()
                if ended:
                    break
            if stop.reason and self.moment.epoch <= self.schedule.last_epoch:
                self.save(recorder)
                recorder.progress.say(f"stopped by {stop.reason}; --continue_train goes on from here")
                break

    def _train_epoch(self, loader: Loader, lr: float, recorder: Recorder, stop: StopRequest) -> None:
        """What is left of this epoch; leaves it early when `stop` has a reason."""
        self.engine.optimizers.set_lr(lr)
        batches = prefetched(loader.epoch(self.moment.epoch, skip=self.moment.images), self.engine.device)
        for several in recorder.clock.watch(groups(batches, self.opt.grad_accum)):
            self.step(several, lr, recorder)
            stop.check()
            if self.moment.in_epoch and self.moment.due(self.opt.save_latest_freq):
                self.save(recorder)
            if self.moment.in_epoch and stop.reason:
                return

    def step(self, batches: Sequence[Batch], lr: float, recorder: Recorder) -> None:
        """One training step, recorded. A NaN ends the training or, with --on_nan skip, is told."""
        result = self.engine.step(*batches, epoch=self.moment.epoch, images=self.moment.total)
        self.means.add(result)
        self.moment = now = self.moment.after(sum(batch["asked"] for batch in batches))
        last = now.epoch == self.schedule.last_epoch and not now.in_epoch
        log = now.due(self.opt.print_freq) or (not now.in_epoch and (last or self.logged_epoch < now.epoch))
        for notice in self.engine.notices():
            recorder.warn(notice)
        if said := self.forecast.after_step(now.count, self.images_in_all - now.total):
            recorder.warn(said)
        self.refusals.add(result, now, batches)
        shown = now.due(self.opt.display_freq) or now.due(self.opt.update_html_freq)
        for line in self.refusals.told(leave=0 if log or shown else self.engine.ahead):
            recorder.warn(line)
        losses = self.means.take() if log else {}
        visuals = None if result.refused else partial(self.engine.model.visuals, result.images)
        recorder.after_step(now, lr, losses, visuals, last)
        if losses:
            self.logged_epoch = now.epoch
        if losses and not result.refused and rank() == 0:
            for warning in self.health.check(losses, result.images):
                recorder.warn(warning)

    def _validate(self, validation: Validation, recorder: Recorder) -> bool:
        """Validate if it is time; returns whether this is the best epoch so far, and is to be kept."""
        if not validation.due(self.moment.epoch, self.schedule.last_epoch):
            return False
        measured = validation.measure()
        better = self.followed.add(self.moment.epoch, measured.values) and self.followed.kept
        if better:
            self._save_weights("best")
            write_best(self.folder, self.followed)
        recorder.validated(self.moment, measured, self.followed)
        return better

    def end_epoch(self, recorder: Recorder, better: bool, last: bool) -> None:
        """Go to the next epoch; save when this one is to be kept, or a save is due. better: it is the best so far."""
        epoch, every = self.moment.epoch, self.opt.save_epoch_freq
        kept = last or (every > 0 and epoch % every == 0)
        recorder.update_page(self.moment)
        self.moment = self.moment.next_epoch()
        if kept:
            self._save_weights(str(epoch))
        if kept or better or self.moment.due(self.opt.save_latest_freq):
            self.save(recorder)

    def save(self, recorder: Recorder) -> None:
        """Write the latest weights, and everything needed to go on exactly; with --save_by_iter, iter_N weights too."""
        for line in self.refusals.told():
            recorder.warn(line)
        engine = self.engine.state()
        ranks = gather({"model": engine.pop("model"), "exchange": engine.pop("exchange"),  # each process's own
                        "losses": self.means.state()})
        self._save_weights("latest")
        if self.opt.save_by_iter and self.moment.due(self.opt.save_latest_freq):
            self._save_weights(f"iter_{self.moment.total}")
        recorder.flush()
        if rank() == 0:
            save_state(self.folder, {
                "engine": engine,
                "ranks": ranks,
                "moment": asdict(self.moment),
                "logged_epoch": self.logged_epoch,
                "val_losses": self.followed.values,
                "followed": self.followed.state(),
                "skipped": self.refusals.count,
                "health": self.health.state(),
                "logs": recorder.log.sizes(),
            })

    def _save_weights(self, prefix: str) -> None:
        """The weight files of one save; the running mean of G is G_ema."""
        if rank() == 0:
            model = self.engine.model
            save_nets(self.folder, prefix, {**dict(model.nets.items()), **of_means(dict(model.averaged.items()))})
