"""The real pictures on which an export is compared with PyTorch: those of the run, or others."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

import data
from data.layouts import finds_images
from data.loader import Loader, open_loader
from exporting.command_line import ExportOptions
from exporting.contract import Given
from models.colorization_model import to_rgb
from models.network_options import image_sizes
from options.groups import TestCommandOptions
from options.schema import Options, assemble
from runs.trained_run import TrainedRun, open_run
from util.errors import UserError

PHASES = ("test", "val", "train")


def find_pictures(opt: ExportOptions, taken: Options) -> list[Given]:
    """At most --num_test pictures of --dataroot, or of the dataset that the run was trained on, prepared as test.py
    does. taken: the options of its translator.

    Those of one colour are left out. UserError when there are none, or they cannot be read.
    """
    run = open_run(Path(opt.checkpoints_dir, opt.name), taken.declared)
    options = _options_of_pictures(opt, taken, run)
    test = options.view(TestCommandOptions)
    loader = open_loader(options, ("A",), *image_sizes(taken, training=False), augment=False, keep_size=test.keep_size)
    found = list(_given(loader, opt.num_test, lab=test.dataset_mode == "colorization"))
    pictures = [given for given in found if not is_flat(given.units)]
    if not pictures:
        raise UserError(f"{test.dataroot}: {counted(len(found))} looked at, each of one colour, on which nothing can "
                        "be compared; give --dataroot with others, or a larger --num_test")
    return pictures


def is_flat(units: Tensor) -> bool:
    """Whether a picture has one colour alone. Norms of each picture then make rounding as large as what they are to
    tell apart, and two ways to compute the same differ by anything.
    """
    return bool((units == units[:, :, :1, :1]).all())


def _given(loader: Loader, count: int, lab: bool) -> Iterator[Given]:
    """lab: whether the dataset gives lightness and colours."""
    for batch in loader.first(min(count, loader.images)):
        units = to_rgb(batch["A"], batch["B"]) if lab else batch["A"]
        height, width = batch["A_kept"][0].tolist() if "A_kept" in batch else units.shape[2:]
        yield Given(Path(batch["A_paths"][0]).name, units[:, :, :height, :width])


def _options_of_pictures(opt: ExportOptions, taken: Options, run: TrainedRun) -> Options:
    """The options with which a dataset finds pictures: those of the run's own layout, or else of a pile."""
    root, meant = opt.dataroot or run.options.get("dataroot"), "--dataroot" if opt.dataroot else "the run's --dataroot"
    if not root:
        raise UserError(f"{run.folder} does not say which pictures it was trained on, and an export is compared with "
                        "PyTorch on real ones; give --dataroot, an image or a folder of images")
    mode = run.options.get("dataset_mode")
    few = taken.replace(dataroot=root, num_threads=0, batch_size=1, max_dataset_size=opt.num_test, cache="none")
    candidates = [_of_mode(few, mode, phase, run) for phase in PHASES if mode in data.names()]
    candidates += [_of_mode(few, "single", "test", run)] if opt.dataroot else []
    for options in candidates:
        if finds_images(data.find(options.view(TestCommandOptions).dataset_mode), options):
            return options
    found = "has no pictures" if Path(root).exists() else "does not exist: no pictures"
    raise UserError(f"{meant} {root} {found} to compare the export on; give --dataroot, an image or a folder of images")


def _of_mode(taken: Options, mode: str, phase: str, run: TrainedRun) -> Options:
    """The options for a dataset: its own ones as the run has them."""
    kind = data.find(mode)
    own = {name: run.options.get(name, option.default) for name, option in assemble(kind.option_groups("test")).items()}
    rgb = taken.view(TestCommandOptions).model == "colorization" and mode != "colorization"
    return taken.replace(**own, dataset_mode=mode, phase=phase, **({"input_nc": 3} if rgb else {}))


def counted(pictures: int) -> str:
    """So many, in words."""
    return "1 picture" if pictures == 1 else f"{pictures} pictures"
