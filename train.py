"""Train a model: python train.py --dataroot ./datasets/toy_maps --name maps --model cycle_gan"""
from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import data
import models
from engine.processes import joined_processes
from options.command_line import Adopted, Command, parse
from options.groups import TrainCommandOptions
from options.parser import HelpAsked
from options.preprocess import PREPROCESS
from options.saved import adopt_to_go_on, differences, read_saved
from options.schema import Given, OptionError, Options
from util.errors import UserError, kind_exit
from util.torchrun import rank, restarts, world_size

if TYPE_CHECKING:  # --help answers without torch
    import torch

    from data.loader import Loader
    from engine.engine import Engine
    from runs.stop import StopRequest

COMMAND = Command(
    program="train.py", phase="train", description="Train an image-to-image translation model.",
    groups=(TrainCommandOptions,),
    find_model=models.find, find_dataset=data.find, model_names=models.names)

MEMORY_ADVICE = ("these make it need less: a smaller --batch_size (with --grad_accum for the same effect), "
                 "--checkpoint_activations, --precision bf16, --cuda_graph off; a smaller --crop_size (with "
                 "--load_size), --ngf or --ndf; --netG resnet_6blocks or unet_128")
ORPHANS = 15  # seconds that loading processes may outlive a process that was killed, and keep its lock


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after training; 2 for a wrong command line, data or folder; 1 when the machine has too
    little memory or disk, or a loss is NaN; 128 + n after signal n; 75 when --max_minutes are over (0 under torchrun).
    """
    with kind_exit(UserError, OptionError, HelpAsked), joined_processes():
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv, adopt_run)
        for notice in opt.notices:
            print(notice)
        from engine.distributed import Agreement
        from engine.shortage import kind_machine  # torch is imported only from here on, so that --help answers at once
        from runs.stop import StopRequest
        with kind_machine(MEMORY_ADVICE), StopRequest(opt.view(TrainCommandOptions).max_minutes, Agreement()) as stop:
            train(opt, stop)
        if stop.reason and not (stop.by_clock and world_size() > 1):  # torchrun would start them anew
            sys.exit(stop.exit_code)


def adopt_run(opt: Options) -> Adopted:
    """What a training that goes on takes over from its run: all that the command line leaves open."""
    from engine.distributed import from_rank_0
    from runs.run_folder import can_go_on, holds_a_run
    from runs.trained_run import open_run, runs_beside

    asked = opt.view(TrainCommandOptions)
    folder = Path(asked.checkpoints_dir, asked.name)

    def find() -> Given:
        auto = asked.resume == "auto" or restarts() > 0
        if not (asked.continue_train or (auto and can_go_on(folder))):
            return {}
        if not holds_a_run(folder):
            raise UserError(f"--continue_train: {folder} holds neither a state nor weights to go on from; "
                            f"{runs_beside(folder)}. Leave it out to start, or give the --name and --checkpoints_dir "
                            "of the run")
        run = open_run(folder, opt.declared)
        run.require_known({flag: names for flag, names in (("model", models.names()), ("dataset_mode", data.names()))
                           if not opt.given(flag)})
        return adopt_to_go_on(opt, run.options, run.where)

    return Adopted(from_rank_0(find))


def train(opt: Options, stop: StopRequest) -> None:
    """Check the data, then train in the run's folder, which no other training may use meanwhile."""
    from data.loader import open_loader, open_validation
    from engine.device import choose_device
    from models.network_options import image_sizes
    from runs.lock import run_lock
    from runs.training import find_in_rank_0
    from runs.wandb_log import import_wandb

    asked = opt.view(TrainCommandOptions)
    if asked.use_wandb:
        import_wandb()  # it is known now that it is missing, not after the data were checked
    device = choose_device(asked.gpu_ids, opt.given("gpu_ids"))
    needs, sizes = models.find(asked.model).needs, image_sizes(opt, training=True)
    loader = open_loader(opt, needs, *sizes, augment=True, device=device)
    validation = open_validation(opt, needs, *sizes, device=device)
    for notice in loader.notices + (validation.notices if validation else []):
        print(notice)
    opt = opt.replace(**loader.dataset.bits_used)  # testing must read images with the same scale
    folder = Path(asked.checkpoints_dir, asked.name)
    with ExitStack() as held:
        def locked_start() -> dict | None:
            held.enter_context(run_lock(folder, ORPHANS if restarts() else 0))
            return find_start(opt, folder)

        state = find_in_rank_0(locked_start)
        last_epoch = asked.n_epochs + asked.n_epochs_decay
        if state and state["moment"]["epoch"] > last_epoch:
            print(f"nothing is left to train: {folder} has done {last_epoch} epochs")
        elif asked.epoch_count > last_epoch:
            raise UserError(f"there is no such epoch to begin with: --epoch_count {asked.epoch_count} must be from 1 "
                            f"to {last_epoch}, which is --n_epochs {asked.n_epochs} + --n_epochs_decay "
                            f"{asked.n_epochs_decay}")
        else:
            train_in(folder, opt, device, loader, validation, state, stop)


def train_in(folder: Path, opt: Options, device: torch.device, loader: Loader, validation: Loader | None,
             state: dict | None, stop: StopRequest) -> None:
    """Train from `state`, or from the beginning, until the last epoch or until `stop` has a reason.

    validation: the images that --lr_policy plateau measures on.
    """
    from engine.distributed import gather
    from engine.schedule import Schedule
    from runs.progress import Progress
    from runs.recorder import open_recorder
    from runs.silent_recorder import SilentRecorder
    from runs.training import Training

    asked = opt.view(TrainCommandOptions)
    engine = make_engine(opt, device)
    print(engine.describe(asked.verbose))
    schedule = Schedule(asked.lr, asked.lr_policy, asked.n_epochs, asked.n_epochs_decay, asked.lr_decay_iters)
    training = Training(engine, folder, opt, schedule, loader.images)
    for notice in training.begin(state):
        print(notice)

    with closing(SilentRecorder() if rank() > 0 else
                 open_recorder(opt, schedule, folder, Progress(training.images_in_all, training.moment.total), state)
                 ) as recorder:
        training.run(loader, validation, recorder, stop)
    skipped = [said for own in gather(loader.skipped) for said in own]
    if skipped:
        print(f"note: {len(skipped)} samples could not be read and were left out, the last because {skipped[-1]}")
    print(f"weights: {folder}" + ("" if asked.no_html else f"\npage: {folder / 'web' / 'index.html'}"))


def make_engine(opt: Options, device: torch.device) -> Engine:
    """The model that the options name, with weights that depend on the seed, ready to train."""
    import torch

    from engine.engine import Engine
    from engine.precision import choose_precision
    from engine.recorded_step import can_record

    asked = opt.view(TrainCommandOptions)
    if asked.compile and asked.checkpoint_activations:
        raise OptionError("--compile cannot compute activations again: leave out --checkpoint_activations, or "
                          "--compile")
    torch.manual_seed(asked.seed)
    model, precision = models.find(asked.model)(opt), choose_precision(asked.precision, device, asked.plain)
    if asked.lr_policy == "plateau" and not model.measures:
        raise OptionError(f"--lr_policy plateau follows a metric, and --model {asked.model} defines none; "
                          "choose --lr_policy linear, step or cosine")
    engine = Engine(model, device, precision, asked.plain, asked.seed)
    record = asked.cuda_graph == "auto" and can_record(
        device, precision, asked.plain, PREPROCESS[asked.preprocess].one_size, asked.grad_accum,
        asked.checkpoint_activations)
    engine.prepare_training(asked.lr, asked.beta1, record)
    if asked.compile:
        engine.compile()
    return engine


def find_start(opt: Options, folder: Path) -> dict | None:
    """The state to go on from, None to start. Raises UserError or OptionError when neither may be."""
    from runs.run_folder import can_go_on, clear_run, find_state, holds_a_run, refuse_to_overwrite

    asked = opt.view(TrainCommandOptions)
    before, _ = read_saved(folder, opt.declared)
    changed = differences(opt, before)
    auto = asked.resume == "auto" or restarts() > 0  # torchrun has started the same command anew
    if not (asked.continue_train or (auto and can_go_on(folder))):
        if holds_a_run(folder) and not (asked.overwrite or auto):
            refuse_to_overwrite(folder, changed)
        clear_run(folder)
        return None
    by_epoch = asked.load_iter > 0 or opt.given("epoch")  # the weights of a certain save, as in the classic code
    if by_epoch:
        state, notices = None, [f"note: going on from the weights in {folder}, with new optimizers"]
    else:
        state, notices = find_state(folder)
    for name, (old, new) in changed.items():
        notices.append(f"note: --{name} was {old}, is now {new}")
    if state and opt.given("epoch_count") and asked.epoch_count != state["moment"]["epoch"]:
        raise UserError(f"--epoch_count {asked.epoch_count} does not agree with {folder}, which goes on in epoch "
                        f"{state['moment']['epoch']}; leave out --epoch_count")
    if state:
        moment = state["moment"]
        notices.append(f"going on with {folder} in epoch {moment['epoch']}, after {moment['images']} images")
    print("\n".join(notices))
    return state


if __name__ == "__main__":
    main()
