"""Train a model: python train.py --dataroot ./datasets/toy_maps --name maps --model cycle_gan"""
from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import data
import models
from engine.processes import joined_processes
from options.command_line import Command, parse
from options.groups import TrainCommandOptions
from options.saved import differences, read_saved, refuse_other_structure
from options.schema import OptionError, Options
from util.errors import UserError, kind_exit
from util.torchrun import rank, restarts, world_size

if TYPE_CHECKING:  # --help answers without torch
    import torch

    from data.loader import Loader
    from engine.engine import Engine
    from runs.going_on import Start
    from runs.stop import StopRequest

COMMAND = Command(
    program="train.py", phase="train", description="Train an image-to-image translation model.",
    groups=(TrainCommandOptions,),
    find_model=models.find, find_dataset=data.find, model_names=models.names)

MEMORY_ADVICE = ("these make it need less: a smaller --batch_size (with --grad_accum for the same effect), "
                 "--checkpoint_activations, --precision bf16, --cuda_graph off; a smaller --crop_size (with "
                 "--load_size), --ngf or --ndf; --netG resnet_6blocks or unet_128")


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after training; 2 for a wrong command line, data or folder; 1 when the machine has too
    little memory or disk, or a loss is NaN; 128 + n after signal n; 75 when --max_minutes are over (0 under torchrun).
    """
    with kind_exit(UserError, OptionError), joined_processes():
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv)
        from engine.distributed import Agreement
        from engine.shortage import kind_machine  # torch is imported only from here on, so that --help answers at once
        from runs.stop import StopRequest
        with kind_machine(MEMORY_ADVICE), StopRequest(opt.max_minutes, Agreement()) as stop:
            train(opt, stop)
        if stop.reason and not (stop.by_clock and world_size() > 1):  # torchrun would start them anew
            sys.exit(stop.exit_code)


def train(opt: Options, stop: StopRequest) -> None:
    """Check the data, then train in the run's folder, which no other training may use meanwhile."""
    from data.loader import open_loader, open_validation
    from engine.device import choose_device
    from models.network_options import image_sizes
    from runs.going_on import Start
    from runs.lock import run_lock
    from runs.overwriting import run_before_kept
    from runs.state_file import full_disk_told
    from runs.training import find_in_rank_0

    device = choose_device(opt.gpu_ids, opt.given("gpu_ids"))
    needs, sizes = models.find(opt.model).needs, image_sizes(opt, training=True)
    loader = open_loader(opt, needs, *sizes, augment=True, device=device)
    validation = open_validation(opt, needs, *sizes, device=device)
    folder = Path(opt.checkpoints_dir, opt.name)
    last_epoch = opt.n_epochs + opt.n_epochs_decay
    with run_lock(folder), run_before_kept(folder, print), full_disk_told(folder):
        start = find_start(opt, folder) if rank() == 0 else Start()
        state = find_in_rank_0(lambda: start.state)
        if state and state["moment"]["epoch"] > last_epoch:
            print(f"nothing is left to train: {folder} has done {last_epoch} epochs")
        elif opt.epoch_count > last_epoch:
            raise UserError(f"there is no such epoch to begin with: --epoch_count {opt.epoch_count} must be from 1 to "
                            f"{last_epoch}, which is --n_epochs {opt.n_epochs} + --n_epochs_decay {opt.n_epochs_decay}")
        else:
            opt = opt.replace(continue_train=True) if start.from_weights else opt  # process 0 loads for all
            train_in(folder, opt, device, loader, validation, state, stop)


def say(notices: Iterable[str]) -> None:
    """A line each."""
    for notice in notices:
        print(notice)


def find_start(opt: Options, folder: Path) -> Start:
    """Find what to begin with, in process 0, and say it. UserError or OptionError when it may not begin so."""
    from runs.going_on import Beginning, begin_anew, go_on, goes_on
    from runs.overwriting import tidy

    how = Beginning(
        continue_train=opt.continue_train,
        resume=opt.resume == "auto" or restarts() > 0,  # torchrun has started the same command anew
        overwrite=opt.overwrite,
        one_save=opt.load_iter > 0 or opt.epoch != "latest",
        first_epoch=opt.epoch_count if opt.given("epoch_count") else None)
    say(tidy(folder, opt.overwrite and not opt.continue_train))
    changed = differences(opt, read_saved(folder, opt.declared)[0])
    if goes_on(folder, how):
        refuse_other_structure(changed)
        start = go_on(folder, how, changed)
    else:
        start = begin_anew(folder, how, changed)
    say(start.notices)
    return start


def train_in(folder: Path, opt: Options, device: torch.device, loader: Loader, validation: Loader | None,
             state: dict | None, stop: StopRequest) -> None:
    """Train for n_epochs + n_epochs_decay epochs, or until `stop` has a reason; logs and saves on the way.

    validation: the images that --lr_policy plateau measures on; state: what to go on from.
    """
    from engine.distributed import gather
    from engine.feed import groups, prefetched
    from engine.schedule import lr_factor
    from runs.recorder import open_recorder
    from runs.silent_recorder import SilentRecorder
    from runs.state_file import state_must_fit
    from runs.training import Training

    engine = make_engine(opt, device)
    print(engine.describe(opt.verbose))
    training = Training(engine, folder, opt, loader.images)
    with state_must_fit(folder, from_state=state is not None):
        training.begin(state)

    with closing(SilentRecorder() if rank() > 0 else
                 open_recorder(opt, folder, training.images_in_all, training.moment, state)) as recorder:
        for epoch in range(training.moment.epoch, training.last_epoch + 1):
            lr = opt.lr * lr_factor(opt.lr_policy, epoch, opt.n_epochs, opt.n_epochs_decay, opt.lr_decay_iters,
                                    training.val_losses)
            engine.set_lr(lr)
            batches = prefetched(loader.epoch(epoch, skip=training.moment.images), device)
            for several in recorder.clock.watch(groups(batches, opt.grad_accum)):
                training.step(several, lr, recorder)
                stop.check()
                if training.in_epoch and training.moment.due(opt.save_latest_freq):
                    training.save(recorder)
                if training.in_epoch and stop.reason:
                    break
            else:  # the epoch is complete
                if validation:
                    training.val_losses.append(engine.validate(validation.first(validation.images)))
                recorder.progress.say(f"End of epoch {epoch} / {training.last_epoch}, learning rate {lr:.7f}")
                training.end_epoch(recorder)
                stop.check()
            if stop.reason:
                training.save(recorder)
                recorder.progress.say(f"stopped by {stop.reason}; --continue_train goes on from here")
                break
    skipped = [reason for own in gather(loader.skipped) for reason in own]
    if skipped:
        print(f"note: {len(skipped)} samples could not be read and were left out, the last because {skipped[-1]}")
    print(f"weights: {folder}" + ("" if opt.no_html else f"\npage: {folder / 'web' / 'index.html'}"))


def make_engine(opt: Options, device: torch.device) -> Engine:
    """The model that the options name, with weights that depend on the seed, ready to train."""
    import torch

    from engine.engine import Engine
    from engine.precision import choose_precision

    if opt.compile and opt.checkpoint_activations:
        raise OptionError("--compile cannot compute activations again: leave out --checkpoint_activations, or "
                          "--compile")
    torch.manual_seed(opt.seed)
    engine = Engine(models.find(opt.model)(opt), device, choose_precision(opt.precision, device, opt.plain), opt.plain)
    record = (opt.cuda_graph == "auto" and opt.preprocess not in ("scale_width", "none")  # images of one size
              and opt.grad_accum == 1 and not opt.checkpoint_activations)
    engine.prepare_training(opt.lr, opt.beta1, record)
    if opt.compile:
        engine.compile()
    return engine


if __name__ == "__main__":
    main()
