"""What test.py and evaluate.py open by the same options: a trained run, its images, its networks."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import data
import models
from options.command_line import Adopted, Command
from options.groups import OutputOptions, SampleOptions, TestCommandOptions, TileOptions
from options.schema import Options
from util.errors import UserError

if TYPE_CHECKING:  # --help answers without torch
    import torch

    from data.loader import Loader
    from engine.engine import Engine
    from runs.trained_run import TrainedRun

TESTING = Command(
    program="test.py", phase="test", description="Translate images with a trained model and write a page of them.",
    groups=(TestCommandOptions, SampleOptions, TileOptions, OutputOptions), find_model=models.find,
    find_dataset=data.find, model_names=models.names,
    dataset_names=data.names)

MEMORY_ADVICE = "these make it need less: a smaller --batch_size, or a smaller --load_size with --crop_size"


def adopt_run(opt: Options, command: Command) -> Adopted:
    """What the command takes over from its run."""
    from data.layouts import finds_images
    from networks.recognize import recognize_generator
    from runs.adopting import adopted_by_testing

    return adopted_by_testing(opt, command, recognize_generator, finds_images)


def open_images(options: Options, run: TrainedRun, device: torch.device) -> Loader:
    """The loader of the images that the options name: of num_test, and of one more, which tells that there are more."""
    from data.layouts import require_one_pile
    from data.loader import open_loader
    from models.network_options import image_sizes

    opt = options.view(TestCommandOptions)
    if opt.model == "test" and not options.given("dataset_mode"):
        require_one_pile(Path(opt.dataroot), opt.phase, run.model)
    few = options.replace(max_dataset_size=min(opt.max_dataset_size, opt.num_test + 1))
    return open_loader(few, models.find(opt.model).needs, *image_sizes(options, training=False), augment=False,
                       device=device, keep_size=opt.keep_size)


def left_out(loader: Loader, options: Options) -> list[str]:
    """A note where --num_test leaves out images."""
    count = options.view(TestCommandOptions).num_test
    return [f"note: the first {count} images are translated; a larger --num_test takes more"
            ] if loader.images > count else []


def unreadable(skipped: list[str]) -> list[str]:
    """A note about the images that --skip_bad_images left out."""
    return [f"note: {len(skipped)} images could not be read and were left out:\n  " + "\n  ".join(skipped)
            ] if skipped else []


def make_engine(options: Options, device: torch.device, run: TrainedRun) -> Engine:
    """The model that the options name, with the weights of the run, ready to translate."""
    import torch

    from engine.engine import Engine
    from engine.precision import choose_precision
    from networks.layers import learn_no_statistics
    from networks.recognize import describe_weights
    from runs.weight_files import load_nets, of_means, prefix

    opt = options.view(TestCommandOptions)
    if opt.model == "test" and run.model in models.names() and not models.find(run.model).in_one_pass:
        raise UserError(f"{run.folder} is a run of --model {run.model}, which has no generator that translates a "
                        "picture by itself; test.py without --model and --output makes a page of a --dataroot with "
                        "both sides")
    saved = prefix(opt.epoch, opt.load_iter)
    with torch.random.fork_rng(devices=[]):  # initial weights, which do not stay
        model = models.find(opt.model)(options)
    nets = dict(model.nets.items())
    run.require_weights(saved, nets, opt.model)
    if opt.weights == "ema":
        run.require_means(saved, nets)
        nets = of_means(nets)
    load_nets(run.folder, saved, nets, describe_weights)
    model.nets.train(not opt.eval)  # dropout is the noise; batch norm uses the statistics of the test batch
    learn_no_statistics(model.nets)
    engine = Engine(model, device, choose_precision(opt.precision, device, opt.plain), opt.plain, opt.seed,
                    opt.autotune == "auto" and not opt.compile, opt.verbose)
    if opt.compile:
        engine.compile()
    return engine
