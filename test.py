"""Translate images with a trained model: python test.py --dataroot ./datasets/toy_maps --name maps"""
from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import data
import models
from engine.processes import joined_processes
from options.command_line import Adopted, Command, parse
from options.groups import TestCommandOptions
from options.parser import HelpAsked
from options.schema import OptionError, Options
from util.errors import UserError, exit_on
from util.files import write_atomically
from util.notices import say
from util.torchrun import rank

if TYPE_CHECKING:  # --help answers without torch
    import torch

    from data.loader import Loader
    from engine.engine import Engine
    from runs.trained_run import TrainedRun

COMMAND = Command(
    program="test.py", phase="test", description="Translate images with a trained model and write a page of them.",
    groups=(TestCommandOptions,), find_model=models.find, find_dataset=data.find, model_names=models.names,
    dataset_names=data.names)

MEMORY_ADVICE = "these make it need less: a smaller --batch_size, or a smaller --load_size with --crop_size"


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after translating, 2 for a wrong command line, data or weights, 1 for too little memory.
    """
    with exit_on(UserError, OptionError, HelpAsked), joined_processes():
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv, adopt_run)
        say(opt.notices)
        from engine.shortage import explain_shortage  # torch comes only from here on: --help answers at once
        with explain_shortage(MEMORY_ADVICE):
            test(opt)


def adopt_run(opt: Options) -> Adopted:
    """What the test takes over from its run."""
    from data.layouts import finds_images
    from networks.recognize import recognize_generator
    from runs.adopting import adopted_by_testing

    return adopted_by_testing(opt, COMMAND, recognize_generator, finds_images)


def test(options: Options) -> None:
    """Translate the images of the dataset, at most num_test, and write their page."""
    from data.layouts import require_one_pile
    from data.loader import open_loader
    from engine.device import choose_device
    from engine.distributed import gather
    from models.network_options import image_sizes
    from runs.earlier_results import require_same_inputs
    from runs.trained_run import open_run
    from runs.translating import results_folder, translate_all, write_results

    opt = options.view(TestCommandOptions)
    run = open_run(Path(opt.checkpoints_dir, opt.name), options.declared)
    if opt.model == "test" and not options.given("dataset_mode"):
        require_one_pile(Path(opt.dataroot), opt.phase, run.model)
    device = choose_device(opt.gpu_ids, options.given("gpu_ids"))
    few = options.replace(max_dataset_size=min(opt.max_dataset_size, opt.num_test + 1))  # one more: are there more?
    loader: Loader = open_loader(few, models.find(opt.model).needs, *image_sizes(options, training=False),
                                 augment=False, device=device)
    say(loader.notices)
    folder, count = results_folder(opt), min(opt.num_test, loader.images)
    engine = make_engine(options, device, run)
    require_same_inputs(folder, options)
    print(engine.describe(opt.verbose))
    if loader.images > opt.num_test:
        print(f"note: the first {opt.num_test} images are translated; a larger --num_test takes more")

    labels, rows = translate_all(loader, count, loader.dataset.sources(), engine, folder, opt.aspect_ratio)
    skipped = [said for own in gather(loader.skipped) for said in own]
    if skipped:
        print(f"note: {len(skipped)} images could not be read and were left out:\n  " + "\n  ".join(skipped))
    if rank() == 0:
        print(f"page: {write_results(options, folder, labels, rows)}")
        with suppress(OSError):  # the classic file; results do not depend on a folder that may be read-only
            write_atomically(run.folder / "test_opt.txt", options.as_classic_text())


def make_engine(options: Options, device: torch.device, run: TrainedRun) -> Engine:
    """The model that the options name, with the weights of the run, ready to translate."""
    import torch

    from engine.engine import Engine
    from engine.precision import choose_precision
    from networks.recognize import describe_weights
    from runs.weight_files import load_nets, prefix

    opt = options.view(TestCommandOptions)
    torch.manual_seed(opt.seed + rank())
    model, saved = models.find(opt.model)(options), prefix(opt.epoch, opt.load_iter)
    run.require_weights(saved, model.nets, opt.model)
    load_nets(run.folder, saved, dict(model.nets.items()), describe_weights)
    model.nets.train(not opt.eval)  # dropout is the noise; batch norm uses the statistics of the test batch
    engine = Engine(model, device, choose_precision(opt.precision, device, opt.plain), opt.plain)
    if opt.compile:
        engine.compile()
    return engine


if __name__ == "__main__":
    main()
