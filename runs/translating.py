"""A test in its results folder: translate, write the pictures, write their page."""
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from engine.engine import Engine
from models.contract import Batch, Images
from options.groups import SampleOptions, TestCommandOptions
from options.schema import Options
from pages.dates import date
from pages.picture_writer import PictureWriter
from pages.pictures import facts, save_visuals
from pages.results_folder import Results, write_folder
from runs.followed import describe_best
from runs.kept_size import kept_pictures
from runs.progress import Progress
from runs.sampling import describe_samples, require_noise, with_samples
from runs.shared_results import SharedNames
from runs.weight_files import prefix
from util.files import write_atomically
from util.torchrun import rank, world_size


class Loader(Protocol):
    """What gives the batches."""

    def first(self, count: int) -> Iterator[Batch]:
        """The first `count` images in batches: of several processes, each gets its share."""


def results_folder(opt: TestCommandOptions) -> Path:
    """Where the results of a test lie."""
    iteration = f"_iter{opt.load_iter}" if opt.load_iter > 0 else ""
    means = "_ema" if opt.weights == "ema" else ""
    return Path(opt.results_dir, opt.name, f"{opt.phase}_{opt.epoch}{iteration}{means}")


class Translated(NamedTuple):
    """What a test made of a batch. names: of the results; images: as the networks saw them; pictures: of each sample,
    by label, cropped back to the size of its file where that is kept.
    """

    names: list[str]
    batch: Batch
    images: Images
    pictures: list[dict[str, np.ndarray]]


def translate(loader: Loader, count: int, names: SharedNames, engine: Engine) -> Iterator[Translated]:
    """The first `count` images, translated batch by batch; of several processes, each has its share."""
    progress = Progress(-(-count // world_size()), silent=rank() > 0)
    for batch in loader.first(count):
        images = engine.translate(batch)
        yield Translated([names(path) for path in batch["A_paths"]], batch, images,
                         kept_pictures(engine.model.visuals(images), batch))
        progress.advance(len(batch["A_paths"]))
    progress.close()


def translate_all(loader: Loader, count: int, sources: list[Path], engine: Engine, folder: Path, options: Options
                  ) -> tuple[list[str], list[tuple[str, str]]]:
    """Translate the first `count` images and write their pictures; of several processes, each its share.

    sources: the files of A, after which results are named. Returns the labels of the pictures and, in process 0, the
    (name, title on the page) of all images in order; nothing in the others.
    UserError when several samples of each are asked for, and would all be the same.
    """
    opt, samples = options.view(TestCommandOptions), options.view(SampleOptions).samples
    require_noise(engine.model.nets.values(), samples, opt.eval)
    labels: list[str] = []
    rows: list[tuple[str, str]] = []
    names = SharedNames(sources, count)
    with PictureWriter() as writer:
        for done in translate(loader, count, names, engine):
            shown = with_samples(done.pictures, done.batch, engine, samples, opt.seed, done.names[0])
            for index, (name, sample) in enumerate(zip(done.names, shown, strict=True)):
                labels = list(sample)
                save_visuals(folder / "images", name, sample, opt.aspect_ratio, writer.save)
                rows.append((name, _title(name, done.batch, index, engine.model.needs)))
    return labels, names.in_order(rows)


def epoch_shown(options: Options) -> str:
    """Which save is tested: 5, iter_2000, or "best (epoch 7, psnr 21.3400 when it was validated, as with --eval)"."""
    opt = options.view(TestCommandOptions)
    saved = prefix(opt.epoch, opt.load_iter)
    known = describe_best(Path(opt.checkpoints_dir, opt.name)) if saved == "best" else ""
    return f"{saved} ({known})" if known else saved


def write_results(options: Options, folder: Path, labels: list[str], rows: list[tuple[str, str]]) -> Path:
    """The page, the options and the names of a test in its folder; returns the page. rows: (name, title)."""
    opt = options.view(TestCommandOptions)
    header = facts(opt.model, opt.dataroot, epoch_shown(options), options.changed(), date(time.time()))
    header |= describe_samples(options.view(SampleOptions).samples)
    write_atomically(folder / "test_opt.json", options.as_json())
    names, titles = [name for name, _ in rows], [title for _, title in rows]
    return write_folder(
        folder, Results(labels, names, titles, f"{opt.name}: {opt.phase}", header, opt.display_winsize))


def _title(name: str, batch: Mapping[str, Any], index: int, needs: tuple[str, ...]) -> str:
    """What a row of the page is called: the name of its results, and the file of B where it is another one."""
    if "B" not in needs or Path(batch["A_paths"][index]).stem == Path(batch["B_paths"][index]).stem:
        return name
    return f"{name} · B: {Path(batch['B_paths'][index]).name}"
