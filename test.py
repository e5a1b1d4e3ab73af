"""Translate images with a trained model: python test.py --dataroot ./datasets/toy_maps --name maps --model cycle_gan"""
from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import data
import models
from engine.processes import joined_processes
from options.command_line import Adopted, Command, parse
from options.groups import TestCommandOptions
from options.parser import HelpAsked
from options.saved import adopt_to_test
from options.schema import Given, OptionError, Options, assemble
from util.errors import UserError, kind_exit
from util.torchrun import rank, world_size

if TYPE_CHECKING:  # --help answers without torch
    from torch import Tensor

    from data.loader import Loader
    from engine.engine import Engine
    from pages.results_page import Images
    from runs.shared_results import SharedNames
    from runs.trained_run import TrainedRun

    Row = tuple[str, Images]  # of the page: title and pictures

COMMAND = Command(
    program="test.py", phase="test", description="Translate images with a trained model and write a page of them.",
    groups=(TestCommandOptions,),
    find_model=models.find, find_dataset=data.find, model_names=models.names)

MEMORY_ADVICE = "these make it need less: a smaller --batch_size, or a smaller --load_size with --crop_size"


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after translating, 2 for a wrong command line, data or weights, 1 for too little memory.
    """
    with kind_exit(UserError, OptionError, HelpAsked), joined_processes():
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv, adopt_run)
        for notice in opt.notices:
            print(notice)
        from engine.shortage import kind_machine  # torch is imported only from here on, so that --help answers at once
        with kind_machine(MEMORY_ADVICE):
            test(opt)


def test(opt: Options) -> None:
    """Translate the images of the dataset, at most num_test, and write their page."""
    import torch

    from data.loader import open_loader
    from engine.device import choose_device
    from engine.distributed import gather
    from engine.engine import Engine
    from engine.precision import choose_precision
    from models.network_options import image_sizes
    from runs.shared_results import SharedNames
    from runs.trained_run import open_run
    from runs.weight_files import load_nets, prefix

    asked = opt.view(TestCommandOptions)
    run = open_run(Path(asked.checkpoints_dir, asked.name), opt.declared)
    require_one_pile(opt, run)
    torch.manual_seed(asked.seed + rank())
    device = choose_device(asked.gpu_ids, opt.given("gpu_ids"))
    few = opt.replace(max_dataset_size=min(asked.max_dataset_size, asked.num_test + 1))  # one more: are there more?
    loader = open_loader(few, models.find(asked.model).needs, *image_sizes(opt, training=False), augment=False,
                         device=device)
    for notice in loader.notices:
        print(notice)
    model = models.find(asked.model)(opt)
    run.require_weights(prefix(asked.epoch, asked.load_iter), model.nets, asked.model)
    load_nets(run.folder, prefix(asked.epoch, asked.load_iter), dict(model.nets.items()), describe_weights)
    model.nets.train(not asked.eval)  # dropout is the noise; batch norm uses the statistics of the test batch
    engine = Engine(model, device, choose_precision(asked.precision, device, asked.plain), asked.plain)
    if asked.compile:
        engine.compile()
    print(engine.describe(asked.verbose))

    iteration = f"_iter{asked.load_iter}" if asked.load_iter > 0 else ""
    folder = Path(asked.results_dir, asked.name, f"{asked.phase}_{asked.epoch}{iteration}")
    if loader.images > asked.num_test:
        print(f"note: the first {asked.num_test} images are translated; a larger --num_test takes more")
    names = SharedNames(loader.dataset.sources(), min(asked.num_test, loader.images))
    labels, rows = translate_all(opt, loader, engine, folder / "images", names)
    rows = names.in_order(rows)
    skipped = [said for own in gather(loader.skipped) for said in own]
    if skipped:
        print(f"note: {len(skipped)} images could not be read and were left out:\n  " + "\n  ".join(skipped))
    if rank() == 0:
        write_results(opt, folder, labels, rows)


def translate_all(opt: Options, loader: Loader, engine: Engine, images: Path, names: SharedNames
                  ) -> tuple[list[str], list[tuple[str, Row]]]:
    """Translate this process's share and write its pictures; their labels, and (name, row of the page) for each."""
    from pages.picture_writer import PictureWriter
    from pages.pictures import pictures, save_visuals
    from runs.recorder import Progress

    asked = opt.view(TestCommandOptions)
    labels: list[str] = []
    rows: list[tuple[str, Row]] = []
    progress = Progress(-(-min(asked.num_test, loader.images) // world_size()), silent=rank() > 0)
    with PictureWriter() as writer:
        for batch in loader.first(asked.num_test):
            visuals = engine.model.visuals(engine.translate(batch))
            labels = list(visuals)
            for index, sample in enumerate(pictures(visuals)):
                name = names(batch["A_paths"][index])
                files = save_visuals(images, name, sample, asked.aspect_ratio, writer.save)
                rows.append((name, (row_title(name, batch, index, engine.model.needs), files)))
            progress.advance(len(batch["A_paths"]))
    progress.close()
    return labels, rows


def write_results(opt: Options, folder: Path, labels: list[str], rows: list[tuple[str, Row]]) -> None:
    """The page, the options and the names of a test in its folder."""
    from pages.pictures import facts
    from pages.results_folder import write_names
    from pages.results_page import ResultsPage
    from runs.weight_files import prefix
    from util.files import write_atomically

    asked = opt.view(TestCommandOptions)
    header = facts(asked.model, asked.dataroot, prefix(asked.epoch, asked.load_iter), opt.changed(),
                   time.strftime("%Y-%m-%d %H:%M"))
    page = ResultsPage(folder, f"{asked.name}: {asked.phase}", header, asked.display_winsize)
    for _, row in rows:
        page.add_row(*row)
    write_atomically(folder / "test_opt.json", opt.as_json())
    write_atomically(Path(asked.checkpoints_dir, asked.name, "test_opt.txt"), opt.as_classic_text())
    path = page.save()
    write_names(folder, labels, [name for name, _ in rows])
    print(f"page: {path}")


def row_title(name: str, batch: Mapping[str, Any], index: int, needs: tuple[str, ...]) -> str:
    """What a row of the page is called: the name of its results, and the file of B where it is another one."""
    if "B" not in needs or Path(batch["A_paths"][index]).stem == Path(batch["B_paths"][index]).stem:
        return name
    return f"{name} · B: {Path(batch['B_paths'][index]).name}"


def adopt_run(opt: Options) -> Adopted:
    """What the test takes over from the trained run: its saved options, or else what its weights show.

    Raises UserError when there is no such run or nothing to load, OptionError when the command line contradicts it.
    """
    from networks.recognize import recognize_generator
    from runs.trained_run import open_run
    from runs.weight_files import prefix

    asked = opt.view(TestCommandOptions)
    saved = prefix(asked.epoch, asked.load_iter)
    run = open_run(Path(asked.checkpoints_dir, asked.name), opt.declared)
    run.require_known({flag: names for flag, names in (("model", models.names()), ("dataset_mode", data.names()))
                       if not opt.given(flag)})
    model = asked.model if opt.given("model") or not run.model else run.model
    if model != "test":
        suffix = ""
    elif opt.given("model_suffix"):
        suffix = opt.as_dict()["model_suffix"]
    else:
        suffix = run.generator_suffix(saved, asked.direction if opt.given("direction") else None)

    trained, where = dict(run.options), run.where
    if not trained:
        trained, where = run.shown_by_weights(saved, suffix, recognize_generator)
    elif suffix == "_B":  # the way back: from the output channels to the input channels
        trained |= {"input_nc": trained.get("output_nc", 3), "output_nc": trained.get("input_nc", 3),
                    "input_bits": trained.get("output_bits", 0), "output_bits": trained.get("input_bits", 0)}
    if model != run.model:  # it asks for images in a layout of its own
        trained.pop("dataset_mode", None)
    adopted = adopt_to_test(opt, trained, where)
    if model == "test" and not opt.given("model_suffix"):
        adopted["model_suffix"] = suffix, f"the weights in {run.folder} and --direction"
    return with_fitting_dataset(opt, model, trained, adopted)


def with_fitting_dataset(opt: Options, model: str, trained: Mapping[str, Any], adopted: Given) -> Adopted:
    """`adopted`, without the run's dataset_mode where that finds no images in --dataroot: the model's own is left."""
    from data.layouts import finds_images

    mode = adopted["dataset_mode"][0] if "dataset_mode" in adopted else None
    default = models.find(model).defaults("test").get("dataset_mode", mode)
    dataroot = opt.view(TestCommandOptions).dataroot
    if mode in (None, default) or dataroot is None:
        return Adopted(adopted)
    kind = data.find(mode)
    own = {name: trained.get(name, option.default) for name, option in assemble(kind.option_groups("test")).items()}
    values = {name: value for name, (value, _) in adopted.items()}
    if finds_images(kind, opt.replace(**{**kind.defaults("test"), **own, **values})):
        return Adopted(adopted)
    notice = (f"note: the run's --dataset_mode {mode} finds no images in --dataroot {dataroot}; "
              f"--dataset_mode {default} is tried, as {model} has it")
    return Adopted({name: row for name, row in adopted.items() if name != "dataset_mode"}, (notice,))


def require_one_pile(opt: Options, run: TrainedRun) -> None:
    """UserError when --model test was given a folder that looks like something else, unless --dataset_mode insists."""
    from data.layouts import doubt_one_pile

    asked = opt.view(TestCommandOptions)
    if asked.model != "test" or opt.given("dataset_mode"):
        return
    doubt = doubt_one_pile(Path(asked.dataroot), asked.phase)
    if doubt:
        way = f"The run was trained with --model {run.model}: leave out --model to test it so. " if run.model else ""
        raise UserError(f"--model test translates one pile of images. {doubt}.\n{way}To translate every image in that "
                        "folder as it is, give --dataset_mode single")


def describe_weights(state: Mapping[str, Tensor]) -> str:
    """What the weights in a file belong to, as the flags that would fit them, or why they fit none."""
    from networks.recognize import recognize_generator

    try:
        return " ".join(f"--{name} {value}" for name, value in recognize_generator(state).items())
    except ValueError as error:
        return str(error)


if __name__ == "__main__":
    main()
