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
from options.command_line import Command, parse
from options.groups import TestCommandOptions
from options.saved import adopt, read_saved
from options.schema import OptionError, Options
from util.errors import UserError, kind_exit
from util.torchrun import rank, world_size

if TYPE_CHECKING:  # --help answers without torch
    from data.loader import Loader
    from engine.engine import Engine
    from pages.results_page import Images
    from runs.shared_results import SharedNames

    Row = tuple[str, Images]  # of the page: title and pictures

COMMAND = Command(
    program="test.py", phase="test", description="Translate images with a trained model and write a page of them.",
    groups=(TestCommandOptions,),
    find_model=models.find, find_dataset=data.find, model_names=models.names)

MEMORY_ADVICE = "these make it need less: a smaller --batch_size, or a smaller --load_size with --crop_size"


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after translating, 2 for a wrong command line, data or weights, 1 for too little memory."""
    with kind_exit(UserError, OptionError), joined_processes():
        opt = parse(COMMAND, sys.argv[1:] if argv is None else argv, adopt_run)
        from engine.shortage import kind_machine  # torch is imported only from here on, so that --help answers at once
        with kind_machine(MEMORY_ADVICE):
            test(opt)


def test(opt: Options) -> None:
    """Translate the images of the dataset, at most num_test, and write their page."""
    import torch

    from data.loader import open_loader
    from engine.device import choose_device
    from engine.engine import Engine
    from engine.precision import choose_precision
    from models.network_options import image_sizes
    from runs.shared_results import SharedNames
    from runs.weight_files import load_nets, prefix

    torch.manual_seed(opt.seed + rank())
    device = choose_device(opt.gpu_ids, opt.given("gpu_ids"))
    few = opt.replace(max_dataset_size=min(opt.max_dataset_size, opt.num_test + 1))  # one more tells that there are more
    loader = open_loader(few, models.find(opt.model).needs, *image_sizes(opt, training=False), augment=False, device=device)
    model = models.find(opt.model)(opt)
    load_nets(Path(opt.checkpoints_dir, opt.name), prefix(opt.epoch, opt.load_iter), model.nets, describe_weights)
    model.nets.train(not opt.eval)  # dropout is the noise; batch norm uses the statistics of the test batch
    engine = Engine(model, device, choose_precision(opt.precision, device, opt.plain), opt.plain)
    if opt.compile:
        engine.compile()
    print(engine.describe(opt.verbose))

    iteration = f"_iter{opt.load_iter}" if opt.load_iter > 0 else ""
    folder = Path(opt.results_dir, opt.name, f"{opt.phase}_{opt.epoch}{iteration}")
    if loader.images > opt.num_test:
        print(f"note: the first {opt.num_test} images are translated; a larger --num_test takes more")
    names = SharedNames(loader.dataset.sources(), min(opt.num_test, loader.images))
    labels, rows = translate_all(opt, loader, engine, folder / "images", names)
    rows = names.in_order(rows)
    if rank() == 0:
        write_results(opt, folder, labels, rows)


def translate_all(opt: Options, loader: Loader, engine: Engine, images: Path, names: SharedNames
                  ) -> tuple[list[str], list[tuple[str, Row]]]:
    """Translate this process's share and write its pictures; their labels, and (name, row of the page) for each."""
    from pages.picture_writer import PictureWriter
    from pages.pictures import pictures, save_visuals
    from runs.recorder import Progress

    labels: list[str] = []
    rows: list[tuple[str, Row]] = []
    progress = Progress(-(-min(opt.num_test, loader.images) // world_size()), silent=rank() > 0)
    with PictureWriter() as writer:
        for batch in loader.first(opt.num_test):
            visuals = engine.model.visuals(engine.translate(batch))
            labels = list(visuals)
            for index, sample in enumerate(pictures(visuals)):
                name = names(batch["A_paths"][index])
                files = save_visuals(images, name, sample, opt.aspect_ratio, writer.save)
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

    header = facts(opt.model, opt.dataroot, prefix(opt.epoch, opt.load_iter), opt.changed(), time.strftime("%Y-%m-%d %H:%M"))
    page = ResultsPage(folder, f"{opt.name}: {opt.phase}", header, opt.display_winsize)
    for _, row in rows:
        page.add_row(*row)
    write_atomically(folder / "test_opt.json", opt.as_json())
    write_atomically(Path(opt.checkpoints_dir, opt.name, "test_opt.txt"), opt.as_classic_text())
    path = page.save()
    write_names(folder, labels, [name for name, _ in rows])
    print(f"page: {path}")


def row_title(name: str, batch: Mapping[str, Any], index: int, needs: tuple[str, ...]) -> str:
    """What a row of the page is called: the name of its results, and the file of B where it is another one."""
    if "B" not in needs or Path(batch["A_paths"][index]).stem == Path(batch["B_paths"][index]).stem:
        return name
    return f"{name} · B: {Path(batch['B_paths'][index]).name}"


def adopt_run(opt: Options) -> dict:
    """What the test takes over from the trained run: its saved options, or else what its weights show.

    Raises UserError when there is no such run or nothing to load, OptionError when the command line contradicts it.
    """
    folder = Path(opt.checkpoints_dir, opt.name)
    if not folder.is_dir():
        runs = sorted(path.name for path in folder.parent.glob("*/")) if folder.parent.is_dir() else []
        raise UserError(f"there is no run {folder}; runs in {folder.parent}: {', '.join(runs) or 'none'}. "
                        "Give --name and --checkpoints_dir as in training")
    trained, where = read_saved(folder, opt.declared)
    suffix = choose_generator(opt, folder, trained.get("direction", "AtoB"))
    if not trained:
        trained, where = recognize(opt, folder, suffix)
        if "no_dropout" not in trained and not opt.given("no_dropout") and not opt.eval:
            assumed, otherwise = ("without", "false") if opt.no_dropout else ("with", "true")
            print(f"note: {where} is a U-Net, whose weights do not show whether it was trained with dropout: assumed "
                  f"{assumed}; --no_dropout {otherwise} says otherwise")
    elif suffix == "_B":  # the way back: from the output channels to the input channels
        trained |= {"input_nc": trained.get("output_nc", 3), "output_nc": trained.get("input_nc", 3)}
    adopted = adopt(opt, trained, where)
    if opt.model == "test" and not opt.given("model_suffix"):
        adopted["model_suffix"] = suffix, f"the weights in {folder} and --direction"
    return adopted


def choose_generator(opt: Options, folder: Path, trained_direction: str) -> str:
    """The suffix of the generator to load: '' for G; of a CycleGAN tested with --model test, _A, or _B for the way back."""
    from runs.weight_files import prefix, weights_file

    saved = prefix(opt.epoch, opt.load_iter)
    if opt.model != "test":
        return ""
    if opt.given("model_suffix"):
        return opt.model_suffix
    if weights_file(folder, saved, "G").is_file() or not weights_file(folder, saved, "G_A").is_file():
        return ""
    return "_B" if opt.given("direction") and opt.direction != trained_direction else "_A"


def describe_weights(state) -> str:
    """What the weights in a file belong to, as the flags that would fit them, or why they fit none."""
    from networks.recognize import recognize_generator

    try:
        return " ".join(f"--{name} {value}" for name, value in recognize_generator(state).items())
    except ValueError as error:
        return str(error)


def recognize(opt: Options, folder: Path, suffix: str) -> tuple[dict, str]:
    """The architecture of the first generator in a folder without saved options, and its file."""
    from networks.recognize import recognize_generator
    from runs.weight_files import describe_saves, prefix, read_weights, weights_file

    saved = prefix(opt.epoch, opt.load_iter)
    for name in (f"G{suffix}", "G", "G_A"):
        path = weights_file(folder, saved, name)
        if path.exists():
            try:
                return recognize_generator(read_weights(path)), str(path)
            except ValueError as error:
                raise UserError(f"{path} is not a generator of this toolkit: {error}") from None
    raise UserError(f"no generator of epoch {saved} to load. {describe_saves(folder)}. "
                    f"Give --epoch, --load_iter or --model_suffix, or put latest_net_G.pth into {folder}")


if __name__ == "__main__":
    main()
