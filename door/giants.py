"""test.py --tile: each picture is translated tile by tile at its own size; the page shows reduced views."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from data.giants import find_giants
from data.room import amount
from door.giant import Giant, Meaning, Ways
from door.reduced import MOST, reduced
from engine.device import choose_device
from engine.engine import Engine
from models.network_options import image_sizes
from opening import make_engine
from options.groups import SampleOptions, TestCommandOptions, TileOptions
from options.schema import Options
from pages.pictures import save_visuals
from raster.regions import open_region_reader
from raster.value_range import ValueRange
from raster.view import byte_view
from runs.earlier_results import require_same_inputs
from runs.progress import Progress
from runs.shared_results import SharedNames
from runs.trained_run import open_run
from runs.translating import results_folder, write_results
from util.errors import UserError
from util.notices import say
from util.torchrun import world_size

VALUES = "values"  # the folder, beside that of the page's pictures


def test_giants(options: Options) -> None:
    """Translate the pictures that the options name tile by tile, and write their page; or, with --dry_run, print how.

    UserError for options that tiles do not go with, and for files that cannot be read in parts.
    """
    opt = options.view(TestCommandOptions)
    _refuse_others(options)
    run = open_run(Path(opt.checkpoints_dir, opt.name), options.declared)
    device = choose_device(opt.gpu_ids, options.given("gpu_ids"))
    sources, ranges, notices = find_giants(options)
    say(notices)
    engine = make_engine(options, device, run)
    folder, count = results_folder(opt), min(opt.num_test, len(sources))
    require_same_inputs(folder, options)
    print(engine.describe(opt.verbose))
    names = SharedNames(sources, count)
    giants = [open_giant(options, engine, path, folder / VALUES / names(str(path)), ranges[path])
              for path in sources[:count]]
    if options.view(TileOptions).dry_run:
        for giant in giants:
            print(f"{giant.describe()}\n  about {_time(giant.seconds())}")
        return
    ...


def open_giant(options: Options, engine: Engine, source: Path, target: Path, value_range: ValueRange) -> Giant:
    """..."""
    raise NotImplementedError
