"""Where numbers and pictures of a training go: text log, metrics log, training page, live view."""
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from pages.live_view import LiveView, open_live_view
from pages.pictures import facts, first_pictures, save_visuals
from pages.training_page import TrainingPage
from runs.pace import Pace, Stopwatch
from runs.wandb_log import WandbLog, open_wandb

Visuals = Callable[[], Mapping[str, Tensor]]
"""Makes the images to show, (B, C, H, W) in [-1, 1] by label; called only when they are needed."""


@dataclass(frozen=True)
class Moment:
    """Where a training is. images, total: images done in this epoch and in all; count: of them in this step."""

    epoch: int
    epoch_length: int  # images
    images: int = 0
    total: int = 0
    count: int = 0

    def after(self, count: int) -> "Moment":
        """The moment `count` images later."""
        return replace(self, images=self.images + count, total=self.total + count, count=count)

    def next_epoch(self) -> "Moment":
        """The beginning of the next epoch."""
        return replace(self, epoch=self.epoch + 1, images=0)

    @property
    def position(self) -> float:
        """Epochs done, as a fraction."""
        return self.epoch - 1 + self.images / self.epoch_length

    def due(self, every: int) -> bool:
        """Whether this step completed a multiple of `every` images; never for 0 or less."""
        return every > 0 and self.total // every > (self.total - self.count) // every


class LossLog:
    """loss_log.txt with the classic line, and the same as JSON, a line each, in metrics.jsonl."""

    def __init__(self, folder: Path, sizes: Mapping[str, int] | None = None):
        """sizes: of both files when the state was saved from which the training goes on; what came after is cut off."""
        self.text, self.metrics = folder / "loss_log.txt", folder / "metrics.jsonl"
        if sizes is None:
            self._append(self.text, f"================ Training Loss ({time.ctime()}) ================")
        else:
            for path in (self.text, self.metrics):
                path.touch()
                os.truncate(path, min(sizes[path.name], path.stat().st_size))

    def sizes(self) -> dict[str, int]:
        """The sizes of both files in bytes, by name."""
        return {path.name: path.stat().st_size if path.exists() else 0 for path in (self.text, self.metrics)}

    def write(self, moment: Moment, lr: float, pace: Pace, losses: Mapping[str, float]) -> str:
        """Append one line; returns that of loss_log.txt."""
        terms = " ".join(f"{name}: {value:.3f}" for name, value in losses.items())
        line = f"(epoch: {moment.epoch}, iters: {moment.images}, time: {pace.compute:.3f}, data: {pace.data:.3f}) {terms} "
        self._append(self.text, line)
        self._append(self.metrics, json.dumps(
            {"epoch": moment.epoch, "images": moment.images, "total": moment.total, "lr": lr,
             "time": pace.compute, "data": pace.data, "images_per_s": pace.images_per_s, "eta_s": pace.eta_s,
             "losses": dict(losses)}))
        return line

    def note(self, line: str) -> None:
        """Append a line of words to loss_log.txt."""
        self._append(self.text, line)

    @staticmethod
    def _append(path: Path, line: str) -> None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


class Progress:
    """A bar over all images of a training or a test: share done, images/s and time left."""

    def __init__(self, total: int, done: int = 0, silent: bool = False):
        self.animated = sys.stderr.isatty()
        self.bar = tqdm(total=total, initial=done, unit=" images", dynamic_ncols=self.animated, leave=True,
                        mininterval=0.5 if self.animated else 20,  # a log file needs no animation
                        disable=silent)

    def advance(self, images: int, label: str = "") -> None:
        """So many images more are done."""
        self.bar.set_description_str(label, refresh=False)
        self.bar.update(images)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        tqdm.write(line) if self.animated else print(line, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()


class Recorder:
    """Everything that watches a training: logs, bar, page, live view, wandb; the last three None where switched off."""

    def __init__(self, opt: Any, log: LossLog, progress: Progress, page: TrainingPage | None, live: LiveView | None,
                 wandb: WandbLog | None):
        self.opt, self.progress, self.log, self.clock = opt, progress, log, Stopwatch()
        self.page, self.live, self.wandb = page, live, wandb
        self.logged = progress.bar.n  # images up to the newest line
        self.visuals: Visuals | None = None  # of the newest step
        self.finished = False

    def after_step(self, moment: Moment, lr: float, losses: Mapping[str, Tensor], visuals: Visuals, last: bool) -> None:
        """Record what is due. visuals: makes the images to show; last: the training ends with this step."""
        self.progress.advance(moment.count, f"epoch {moment.epoch}/{self.opt.n_epochs + self.opt.n_epochs_decay}")
        if moment.due(self.opt.print_freq) or last:
            self._losses(moment, lr, {name: loss.item() for name, loss in losses.items()})
        if moment.due(self.opt.display_freq):
            self._show(moment, visuals)
        self.visuals, self.finished = visuals, last
        if moment.due(self.opt.update_html_freq):
            self.update_page(moment)

    def warn(self, line: str) -> None:
        """Say a line, and keep it in loss_log.txt."""
        self.progress.say(line)
        self.log.note(line)

    def update_page(self, moment: Moment) -> None:
        """Write the first sample of the newest batch, and the curves, to the training page.

        Training goes on when they cannot be written: it says so.
        """
        if not self.page:
            return
        try:
            if self.visuals:
                shown = first_pictures(self.visuals())
                self.page.add_pictures(
                    moment.epoch, save_visuals(self.page.web_dir / "images", f"epoch{moment.epoch:03d}", shown))
            self.page.save()
        except OSError as error:
            self.progress.say(f"warning: the training page could not be written ({error}); training goes on")

    def close(self) -> None:
        """Finish the page and end the connections."""
        self.progress.close()
        if self.page:
            with suppress(OSError):  # a full disk has been reported already
                self.page.save(running=False, finished=self.finished)
        for view in (self.live, self.wandb):
            if view:
                view.close()

    def _losses(self, moment: Moment, lr: float, losses: dict[str, float]) -> None:
        pace = self.clock.lap(moment.total - self.logged, self.progress.bar.total - moment.total)
        self.logged = moment.total
        self.progress.say(f"{self.log.write(moment, lr, pace, losses)} {pace}")
        if self.page:
            self.page.add_losses(moment.position, losses)
        if self.live:
            self.live.plot_losses(moment.position, losses)
        if self.wandb:
            self.wandb.log_losses(moment.total, losses)

    def _show(self, moment: Moment, visuals: Visuals) -> None:
        if self.live:
            self.live.show_images(first_pictures(visuals()))
        if self.wandb:
            self.wandb.log_images(moment.total, moment.epoch, first_pictures(visuals()))


def open_recorder(opt: Any, folder: Path, total: int, moment: Moment, state: Mapping[str, Any] | None) -> Recorder:
    """The recorder that the options ask for.

    total: images that the training sees in all; moment: where it stands; state: what it goes on from, if anything.
    """
    sizes = state["logs"] if state else None
    page = None
    if not opt.no_html:
        epochs = f"{opt.epoch_count} to {opt.n_epochs + opt.n_epochs_decay}"
        header = facts(opt.model, opt.dataroot, epochs, opt.changed(), time.strftime("%Y-%m-%d %H:%M"))
        page = TrainingPage(folder / "web", f"{opt.name}: training", header, opt.display_winsize, sizes is not None)
    live = open_live_view(opt.display_id, opt.display_server, opt.display_port, opt.display_env, opt.display_ncols,
                          opt.display_winsize, opt.name)
    wandb = open_wandb(opt.use_wandb, opt.wandb_project_name, opt.name, opt.as_dict())
    return Recorder(opt, LossLog(folder, sizes), Progress(total, moment.total), page, live, wandb)
