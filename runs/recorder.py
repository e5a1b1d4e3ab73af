"""Where numbers and pictures of a training go: logs, bar, training page, live view, wandb, TensorBoard."""
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.schedule import Schedule
from options.groups import LoggingOptions, TrainCommandOptions
from options.schema import Options
from pages.bands import read_bands
from pages.live_view import LiveView, open_live_view
from pages.pictures import facts, first_pictures, save_visuals
from pages.training_page import TrainingPage
from runs.followed import Followed
from runs.loss_log import LossLog
from runs.moment import Moment
from runs.pace import Stopwatch
from runs.progress import Progress
from runs.run_folder import TENSORBOARD
from runs.sample_files import made_of_samples, save_samples
from runs.tensorboard_log import TensorboardLog, open_tensorboard
from runs.validation import Measured
from runs.wandb_log import WandbLog, open_wandb

Visuals = Callable[[], Mapping[str, Tensor]]
"""Makes the images to show, (B, C, H, W) in [-1, 1] by label; called only when they are needed."""


class Recorder:
    """Everything that watches a training; page, live view, wandb and TensorBoard are None where switched off."""

    def __init__(self, every: LoggingOptions, last_epoch: int, log: LossLog, progress: Progress,
                 page: TrainingPage | None, live: LiveView | None, wandb: WandbLog | None,
                 tensorboard: TensorboardLog | None = None, bands: tuple[int, ...] = ()):
        """every: how many images lie between two records of each kind; bands: to show of pictures with many."""
        self.every, self.last_epoch, self.log, self.progress, self.clock = every, last_epoch, log, progress, Stopwatch()
        self.page, self.live, self.wandb, self.tensorboard = page, live, wandb, tensorboard
        self.bands = bands
        self.boards = [board for board in (wandb, tensorboard) if board]
        self.logged = progress.done  # images up to the newest line
        self.visuals: Visuals | None = None  # of the newest step
        self.finished = False

    def after_step(self, moment: Moment, lr: float, losses: Mapping[str, float], visuals: Visuals | None, last: bool
                   ) -> None:
        """Record what is due. losses: means to log, empty when that is not due; visuals: makes the images to show,
        None for a step that has nothing to show; last: the training ends here.
        """
        self.progress.advance(moment.count, f"epoch {moment.epoch}/{self.last_epoch}")
        self.finished = last
        if losses:
            self._losses(moment, lr, dict(losses))
        if not visuals:
            return
        if moment.due(self.every.display_freq):
            self._show(moment, visuals)
        self.visuals = visuals
        if moment.due(self.every.update_html_freq):
            self.update_page(moment)

    def warn(self, line: str) -> None:
        """Say a line, and keep it in loss_log.txt."""
        self.progress.say(line)
        self.log.note(line)

    def validated(self, moment: Moment, measured: Measured, followed: Followed) -> None:
        """What was measured on held-out images after the epoch of `moment`, and which epoch was best so far."""
        self.progress.say(self.log.write_validation(moment.epoch, measured.values))
        if self.live:
            self.live.plot_validation(moment.position, measured.values)
        for board in self.boards:
            board.log_validation(moment.total, measured.values)
            board.log_images(moment.total, moment.epoch, made_of_samples(measured))
        if self.page:
            best = {followed.metric: float(followed.epoch)} if followed.epoch else {}
            self.page.add_metrics(moment.position, measured.values, best)
            try:
                self.page.add_samples(
                    moment.epoch, save_samples(self.page.web_dir / "images", moment.epoch, measured))
            except OSError as error:
                self.progress.say(f"warning: the samples of the training page could not be written ({error}); "
                                  "training goes on")

    def end_early(self, why: str) -> None:
        """The training comes to its end before its last epoch."""
        self.warn(why)
        self.finished = True
        if self.page:
            self.page.remark = f"Training {why}."

    def flush(self) -> None:
        """Write what is still held back, before the state is saved that a training may go on from."""
        if self.tensorboard:
            self.tensorboard.flush()
        if self.page:
            self._write_page(self.page)

    def update_page(self, moment: Moment) -> None:
        """Write the first sample of the newest batch, and the curves, to the training page."""
        if self.page:
            self._write_page(self.page, moment.epoch)

    def _write_page(self, page: TrainingPage, epoch: int | None = None) -> None:
        """Write the page; with an `epoch`, and the newest pictures as those of that epoch.

        Training goes on when they cannot be written: it says so.
        """
        try:
            if epoch is not None and self.visuals:
                shown = first_pictures(self.visuals(), self.bands)
                page.add_pictures(epoch, save_visuals(page.web_dir / "images", f"epoch{epoch:03d}", shown))
            page.save()
        except OSError as error:
            self.progress.say(f"warning: the training page could not be written ({error}); training goes on")

    def close(self) -> None:
        """Finish the page and end the connections."""
        self.progress.close()
        if self.page:
            with suppress(OSError):  # a full disk has been reported already
                self.page.save(running=False, finished=self.finished)
        for view in (self.live, *self.boards):
            if view:
                view.close()

    def _losses(self, moment: Moment, lr: float, losses: dict[str, float]) -> None:
        pace = self.clock.lap(moment.total - self.logged, self.progress.left)
        self.logged = moment.total
        self.progress.say(f"{self.log.write(moment, lr, pace, losses)} {pace}")
        if self.page:
            self.page.add_losses(moment.position, losses)
        if self.live:
            self.live.plot_losses(moment.position, losses)
        for board in self.boards:
            board.log_losses(moment.total, losses)
        if self.tensorboard:
            self.tensorboard.log_lr(moment.total, lr)

    def _show(self, moment: Moment, visuals: Visuals) -> None:
        if self.live:
            self.live.show_images(first_pictures(visuals(), self.bands))
        for board in self.boards:
            board.log_images(moment.total, moment.epoch, first_pictures(visuals(), self.bands))


def open_recorder(options: Options, schedule: Schedule, folder: Path, progress: Progress,
                  state: Mapping[str, Any] | None, equilibria: Mapping[str, float]) -> Recorder:
    """The recorder that the options ask for. state: what the training goes on from, if anything; equilibria: see
    models.contract.Model."""
    opt = options.view(TrainCommandOptions)
    sizes = state["logs"] if state else None
    page = None
    if not opt.no_html:
        epochs = f"{opt.epoch_count} to {schedule.last_epoch}"
        header = facts(opt.model, opt.dataroot, epochs, options.changed())
        page = TrainingPage(folder / "web", f"{opt.name}: training", header, opt.display_winsize, sizes is not None,
                            equilibria)
    live = open_live_view(opt.display_id, opt.display_server, opt.display_port, opt.display_env, opt.display_ncols,
                          opt.display_winsize, opt.name, progress.say)
    wandb = open_wandb(opt.use_wandb, opt.wandb_project_name, opt.name, options.as_dict())
    done = state["moment"]["total"] if state else 0
    tensorboard = open_tensorboard(opt.use_tensorboard, folder / TENSORBOARD, done)
    return Recorder(opt, schedule.last_epoch, LossLog(folder, sizes), progress, page, live, wandb, tensorboard,
                    read_bands(opt.show_bands, (opt.input_nc, opt.output_nc)))
