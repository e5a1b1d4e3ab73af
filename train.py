"""Train a model: python train.py --dataroot ./datasets/toy_maps --name maps --model cycle_gan"""
from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import data
import models
from engine.processes import joined_processes
from options.command_line import Adopted, Command, parse
from options.groups import TrainCommandOptions, validated_every
from options.parser import HelpAsked
from options.preprocess import PREPROCESS
from options.schema import OptionError, Options
from util.errors import UserError, exit_on
from util.notices import say
from util.torchrun import may_be_restarted, rank

if TYPE_CHECKING:  # --help answers without torch
    import torch

    from data.loader import Loader
    from engine.engine import Engine
    from runs.going_on import Start
    from runs.stop import StopRequest
    from runs.validation_metrics import Chosen

COMMAND = Command(
    program="train.py", phase="train", description="Train an image-to-image translation model.",
    groups=(TrainCommandOptions,), find_model=models.find, find_dataset=data.find, model_names=models.names,
    dataset_names=data.names)

MEMORY_ADVICE = ("these make it need less: a smaller --batch_size (with --grad_accum for the same effect), "
                 "--checkpoint_activations, --precision bf16, --cuda_graph off; a smaller --crop_size (with "
                 "--load_size), --ngf or --ndf; --netG resnet_6blocks or unet_128")


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after training; 2 for a wrong command line, data or folder; 1 when the machine has too
    little memory or disk, or a loss is NaN; 128 + n after signal n; 75 when --max_minutes are over, or SIGUSR1 said
    that the time is (0 under torchrun).
    """
    with exit_on(UserError, OptionError, HelpAsked), joined_processes():
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv, adopt_run)
        say(opt.notices)
        from engine.distributed import Agreement  # torch is imported only from here on: --help answers at once
        from engine.shortage import explain_shortage
        from runs.stop import StopRequest
        minutes = opt.view(TrainCommandOptions).max_minutes
        with explain_shortage(MEMORY_ADVICE), StopRequest(minutes, Agreement()) as stop:
            train(opt, stop)
        if stop.reason and not (stop.by_clock and may_be_restarted()):  # torchrun would start them anew
            sys.exit(stop.exit_code)


def adopt_run(opt: Options) -> Adopted:
    """What a training that goes on takes over from its run."""
    from runs.adopting import adopted_by_training

    return adopted_by_training(opt, COMMAND)


def train(options: Options, stop: StopRequest) -> None:
    """Check the data, then train in the run's folder, which no other training may use meanwhile."""
    from data.held_out import open_validation
    from data.loader import open_loader
    from engine.device import choose_device
    from engine.host_memory import keep_freed_memory
    from models.network_options import image_sizes
    from runs.going_on import find_start, how_to_begin
    from runs.lock import run_lock
    from runs.overwriting import run_before_kept
    from runs.state_file import full_disk_told
    from runs.tensorboard_log import import_tensorboard
    from runs.validation_metrics import choose_metrics
    from runs.wandb_log import import_wandb
    from runs.warm_start import with_commit

    opt = options.view(TrainCommandOptions)
    if opt.use_wandb:
        import_wandb()  # it is known now that it is missing, not after the data were checked
    if opt.use_tensorboard:
        import_tensorboard()
    device = choose_device(opt.gpu_ids, options.given("gpu_ids"))
    if device.type == "cpu" and opt.autotune == "auto" and not opt.plain:
        keep_freed_memory()
    how = how_to_begin(options)  # what it begins with is fetched now, not after the data were checked
    options = with_commit(options, begins_anew=not (how.continue_train or how.resume))
    chosen = choose_metrics(options, models.find(opt.model).translations, data.find(opt.dataset_mode).paired, device)
    needs, sizes = models.find(opt.model).needs, image_sizes(options, training=True)
    with stop.before_the_first_step():
        loader = open_loader(options, needs, *sizes, augment=True, device=device)
        options = options.replace(**loader.dataset.ranges_used)  # validating and testing read values alike
        held_out = open_validation(options, needs, *image_sizes(options, training=False), device=device)
    say(loader.notices + (held_out.notices if held_out else []))

    folder, last_epoch = Path(opt.checkpoints_dir, opt.name), opt.n_epochs + opt.n_epochs_decay
    with run_lock(folder), run_before_kept(folder, print), full_disk_told(folder):
        start = find_start(folder, options)
        say(start.notices)
        if start.state and start.state["moment"]["epoch"] > last_epoch:
            print(f"nothing is left to train: {folder} has done {last_epoch} epochs; with a larger --n_epochs or "
                  "--n_epochs_decay it goes on")
        elif opt.epoch_count > last_epoch:
            raise UserError(f"there is no such epoch to begin with: --epoch_count {opt.epoch_count} must be from 1 to "
                            f"{last_epoch}, which is --n_epochs {opt.n_epochs} + --n_epochs_decay "
                            f"{opt.n_epochs_decay}")
        else:
            options = with_commit(options, begins_anew=not (start.state or start.from_weights))
            train_in(folder, options, device, loader, held_out, chosen, start, stop)


def train_in(folder: Path, options: Options, device: torch.device, loader: Loader, held_out: Loader | None,
             chosen: Chosen, start: Start, stop: StopRequest) -> None:
    """Train from `start` until the last epoch is done or `stop` has a reason.

    held_out: the images to validate on; chosen: what to measure on them beside the model's own metrics.
    """
    from engine.distributed import gather
    from engine.schedule import Schedule
    from networks.recognize import describe_weights
    from runs.progress import Progress
    from runs.recorder import open_recorder
    from runs.silent_recorder import SilentRecorder
    from runs.training import Training
    from runs.validation import open_validating

    opt = options.view(TrainCommandOptions)
    engine = make_engine(options, device)
    print(engine.describe(opt.verbose))
    schedule = Schedule(opt.lr, opt.lr_policy, opt.n_epochs, opt.n_epochs_decay, opt.lr_decay_iters)
    pairs = data.find(opt.dataset_mode).paired
    validation, followed, notices = open_validating(engine, held_out, chosen, pairs, options)
    say(notices)
    training = Training(engine, folder, options, schedule, loader.images, followed)
    say(training.begin(start, describe_weights))
    if ended := followed.exhausted(opt.early_stop):
        print(f"nothing is left to train: {folder} ended early: {ended}. --continue_train goes on with --early_stop 0, "
              "or a larger one")
        return
    progress = Progress(training.images_in_all, training.moment.total, silent=rank() > 0)
    with closing(SilentRecorder() if rank() > 0 else open_recorder(
            options, schedule, folder, progress, start.state, engine.model.equilibria)) as recorder:
        training.run(loader, validation, recorder, stop)
    if followed.kept and followed.epoch:
        print(f"{followed.describe()}; test.py --epoch best translates with it")
    unread = loader.skipped + (held_out.skipped if held_out else [])
    skipped = [said for own in gather(unread) for said in own]
    if skipped:
        print(f"note: {len(skipped)} samples could not be read and were left out, the last because {skipped[-1]}")
    print(f"weights: {folder}" + ("" if opt.no_html else f"\npage: {folder / 'web' / 'index.html'}"))


def make_engine(options: Options, device: torch.device) -> Engine:
    """The model that the options name, with weights that depend on the seed, ready to train."""
    import torch

    from engine.device import search_algorithms
    from engine.engine import Engine
    from engine.precision import choose_precision
    from engine.recorded_step import can_record

    opt = options.view(TrainCommandOptions)
    if opt.compile and opt.checkpoint_activations:
        raise OptionError("--compile cannot compute activations again: leave out --checkpoint_activations, or "
                          "--compile")
    torch.manual_seed(opt.seed)
    model, precision = models.find(opt.model)(options), choose_precision(opt.precision, device, opt.plain)
    if opt.grad_compress == "powersgd" and precision == "fp16":
        raise OptionError("--grad_compress powersgd remembers gradients, and --precision fp16 scales them otherwise "
                          "from step to step: use --precision bf16 or fp32, or --grad_compress bf16")
    if validated_every(opt) and not (model.measures or opt.best_metric):
        raise OptionError(f"a validation follows a metric, and --model {opt.model} defines none; name another one with "
                          "--val_metrics and --best_metric, or leave out --val_freq and --lr_policy plateau")
    one_size, autotune = PREPROCESS[opt.preprocess].one_size, opt.autotune == "auto" and not opt.compile
    engine = Engine(model, device, precision, opt.plain, opt.seed, autotune, opt.verbose)
    search_algorithms(device, one_size, opt.plain)
    engine.prepare_training(opt.lr, opt.beta1, ema=opt.ema, grad_compress=opt.grad_compress,
                            record=opt.cuda_graph == "auto" and can_record(device, precision, opt.plain, one_size,
                                                                           opt.grad_accum, opt.checkpoint_activations))
    if opt.compile:
        engine.compile()
    return engine


if __name__ == "__main__":
    main()
