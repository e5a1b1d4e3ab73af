"""Train a model: python train.py --dataroot ./datasets/toy_maps --name maps --model cycle_gan"""
import sys
from functools import partial
from pathlib import Path

import data
import models
from options.command_line import Command, parse
from options.groups import DataOptions, LoggingOptions, TrainingOptions, TrainRunOptions
from options.schema import OptionError, Options
from util.errors import UserError, kind_exit

COMMAND = Command(
    program="train.py", phase="train", description="Train an image-to-image translation model.",
    groups=(TrainRunOptions, DataOptions, TrainingOptions, LoggingOptions),
    find_model=models.find, find_dataset=data.find, model_names=models.names)

MEMORY_ADVICE = ("these make it need less: a smaller --batch_size, --crop_size (with --load_size), --ngf or --ndf; "
                 "--netG resnet_6blocks or unet_128")


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after training, 2 for a wrong command line or wrong data, 1 for too little memory."""
    with kind_exit(UserError, OptionError):
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv)
        from util.engine import memory_advice  # torch is imported only from here on, so that --help answers at once
        with memory_advice(MEMORY_ADVICE):
            train(opt)


def train(opt: Options) -> None:
    """Train for n_epochs + n_epochs_decay epochs, logging and saving on the way."""
    import torch

    from data.loader import open_loader
    from models.networks import image_sizes
    from util.checkpoint import save_nets
    from util.device import choose_device
    from util.engine import Engine
    from util.loggers import Moment, open_recorder
    from util.schedule import lr_factor

    epochs = epochs_to_train(opt)
    torch.manual_seed(opt.seed)
    device = choose_device(opt.gpu_ids, opt.given("gpu_ids"))
    needs = models.find(opt.model).needs
    loader = open_loader(opt, needs, *image_sizes(opt, training=True), augment=True)
    validation = open_validation(opt, needs)
    model = models.find(opt.model)(opt)
    model.add_discriminators()
    engine = Engine(model, device)
    engine.prepare_training(opt.lr, opt.beta1)
    folder = prepare_folder(opt, engine)

    recorder = open_recorder(opt, folder, total=len(epochs) * loader.images)
    moment, val_losses = Moment(opt.epoch_count, loader.images), []
    for epoch in epochs:
        lr = opt.lr * lr_factor(opt.lr_policy, epoch, opt.n_epochs, opt.n_epochs_decay, opt.lr_decay_iters, val_losses)
        engine.set_lr(lr)
        for batch in recorder.clock.watch(loader.epoch(epoch)):
            losses, images = engine.step(batch)
            moment = moment.after(len(batch["A"]))
            visuals = partial(model.visuals, images)
            last = epoch == epochs[-1] and moment.images == loader.images
            recorder.after_step(moment, lr, losses, visuals, last)
            if moment.due(opt.save_latest_freq):
                save_nets(folder, f"iter_{moment.total}" if opt.save_by_iter else "latest", model.nets)
        if last or opt.save_epoch_freq > 0 and epoch % opt.save_epoch_freq == 0:
            recorder.update_page(moment, visuals)
            save_nets(folder, str(epoch), model.nets)
            save_nets(folder, "latest", model.nets)
        recorder.progress.say(f"End of epoch {epoch} / {epochs[-1]}, learning rate {lr:.7f}")
        if validation:
            val_losses.append(engine.validate(validation.epoch(1)))
        moment = moment.next_epoch()
    recorder.close()
    print(f"weights: {folder}" + ("" if opt.no_html else f"\npage: {folder / 'web' / 'index.html'}"))


def epochs_to_train(opt: Options) -> range:
    """The numbers of the epochs, from 1. UserError when none is left."""
    last = opt.n_epochs + opt.n_epochs_decay
    if not 1 <= opt.epoch_count <= last:
        raise UserError(f"there is no such epoch to begin with: --epoch_count {opt.epoch_count} must be from 1 to {last}, "
                        f"which is --n_epochs {opt.n_epochs} + --n_epochs_decay {opt.n_epochs_decay}")
    return range(opt.epoch_count, last + 1)


def open_validation(opt: Options, needs: tuple[str, ...]):
    """The loader of the held-out images that --lr_policy plateau measures on; None for the other policies."""
    from data.loader import open_loader
    from models.networks import image_sizes

    if opt.lr_policy != "plateau":
        return None
    try:
        return open_loader(opt.replace(phase=opt.val_phase), needs, *image_sizes(opt, training=True), augment=False)
    except UserError as error:
        raise UserError(f"--lr_policy plateau measures on held-out images, --val_phase {opt.val_phase}: {error}") from None


def prepare_folder(opt: Options, engine) -> Path:
    """The run's folder, with the options in it; says what is trained on what, and loads weights to go on from."""
    from util.checkpoint import load_nets, prefix
    from util.device import describe_device
    from util.files import write_atomically

    folder = Path(opt.checkpoints_dir, opt.name)
    print(describe_device(engine.device))
    for name, net in engine.model.nets.items():
        print(f"network {name}: {sum(p.numel() for p in net.parameters()) / 1e6:.3f} M parameters")
        if opt.verbose:
            print(net)
    if opt.continue_train:
        load_nets(folder, prefix(opt.epoch, opt.load_iter), engine.model.nets)
        print(f"note: going on from the weights in {folder}; the optimizers start anew")
    write_atomically(folder / "train_opt.json", opt.as_json())
    write_atomically(folder / "train_opt.txt", opt.as_classic_text())
    return folder


if __name__ == "__main__":
    main()
