"""A test in its results folder: translate, write the pictures, write their page."""
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from engine.distributed import gather
from engine.engine import Engine
from models.contract import Batch, Images
from options.groups import SampleOptions, TestCommandOptions
from options.schema import Options
from pages.dates import date
from pages.picture_writer import PictureWriter
from pages.pictures import facts
from pages.results_folder import OwnValues, Results, Row, write_folder
from raster.value_range import ValueRange
from runs.followed import describe_best
from runs.progress import Progress
from runs.sampling import describe_samples, require_noise, with_samples
from runs.shared_results import SharedNames
from runs.shown import Likeness, Sample, samples_of
from runs.weight_files import prefix
from runs.written import WrittenResults, describe_values, told
from shards.member import sample_key, split_member
from util.files import write_atomically
from util.torchrun import rank, world_size


class Ranges(Protocol):
    """What knows the files."""

    def range_of(self, path: Path) -> ValueRange:
        """Which values of the file are -1 and 1."""


class Loader(Protocol):
    """What gives the batches."""

    @property
    def dataset(self) -> Ranges:
        """Where they come from."""

    def first(self, count: int) -> Iterator[Batch]:
        """The first `count` images in batches: of several processes, each gets its share."""


def results_folder(opt: TestCommandOptions) -> Path:
    """Where the results of a test lie."""
    iteration = f"_iter{opt.load_iter}" if opt.load_iter > 0 else ""
    means = "_ema" if opt.weights == "ema" else ""
    return Path(opt.results_dir, opt.name, f"{opt.phase}_{opt.epoch}{iteration}{means}")


class Translated(NamedTuple):
    """What a test made of a batch. names: of the results; images: as the networks saw them; samples: those to show."""

    names: list[str]
    batch: Batch
    images: Images
    samples: list[Sample]


class Made(NamedTuple):
    """What a test wrote. labels: of the pictures; rows: by name, all in order, in process 0; notices: of what the files
    lack."""

    labels: list[str]
    rows: list[tuple[str, Row]]
    notices: list[str]


def translate(loader: Loader, count: int, names: SharedNames, engine: Engine) -> Iterator[Translated]:
    """The first `count` images, translated batch by batch; of several processes, each has its share."""
    progress = Progress(-(-count // world_size()), silent=rank() > 0)
    for batch in loader.first(count):
        images = engine.translate(batch)
        yield Translated([names(path) for path in batch["A_paths"]], batch, images,
                         samples_of(engine.model, batch, images))
        progress.advance(len(batch["A_paths"]))
    progress.close()


def translate_all(loader: Loader, count: int, sources: Sequence[Path], engine: Engine, folder: Path, options: Options
                  ) -> Made:
    """Translate the first `count` images and write their pictures; of several processes, each its share.

    sources: the files of A, after which results are named.
    UserError when several samples of each are asked for, and would all be the same, or when the options ask for
    pictures, bands or a format that cannot be.
    """
    opt, samples = options.view(TestCommandOptions), options.view(SampleOptions).samples
    require_noise(engine.model.nets.values(), samples, opt.eval)
    labels: list[str] = []
    made: list[tuple[str, tuple[str, dict[str, tuple]]]] = []  # plain: processes exchange nothing else
    names = SharedNames(sources, count)
    with PictureWriter() as writer:
        written = WrittenResults(folder, Likeness(engine.model, loader.dataset.range_of, opt), opt, writer)
        for done in translate(loader, count, names, engine):
            shown = with_samples(done.samples, done.batch, engine, samples, opt.seed, done.names[0])
            for index, (name, sample) in enumerate(zip(done.names, shown, strict=True)):
                labels = written.chosen(list(sample))
                own = written.write(name, sample, done.batch, index)
                values = {label: astuple(one) for label, one in own.items()}
                made.append((name, (_title(name, done.batch, index, engine.model.needs), values)))
    rows = [(name, Row(title, {label: OwnValues(*one) for label, one in values.items()}))
            for name, (title, values) in names.in_order(made)]
    return Made(labels, rows, told(gather(written.lost)))


def epoch_shown(options: Options) -> str:
    """Which save is tested: 5, iter_2000, or "best (epoch 7, psnr 21.3400 when it was validated, as with --eval)"."""
    opt = options.view(TestCommandOptions)
    saved = prefix(opt.epoch, opt.load_iter)
    known = describe_best(Path(opt.checkpoints_dir, opt.name)) if saved == "best" else ""
    return f"{saved} ({known})" if known else saved


def write_results(options: Options, folder: Path, made: Made) -> Path:
    """The page, the options and the names of a test in its folder; returns the page."""
    opt = options.view(TestCommandOptions)
    header = facts(opt.model, opt.dataroot, epoch_shown(options), options.changed(), date(time.time()))
    header |= describe_samples(options.view(SampleOptions).samples)
    write_atomically(folder / "test_opt.json", options.as_json())
    values = {name: row.values for name, row in made.rows if row.values}
    header |= describe_values([own for row in values.values() for own in row.values()])
    return write_folder(folder, Results(
        made.labels, [name for name, _ in made.rows], [row.title for _, row in made.rows], f"{opt.name}: {opt.phase}",
        header, opt.display_winsize, values))


def _title(name: str, batch: Mapping[str, Any], index: int, needs: tuple[str, ...]) -> str:
    """What a row of the page is called: the name of its results, and the file of B where it is another one."""
    A, B = (Path(batch.get(f"{side}_paths", batch["A_paths"])[index]) for side in "AB")
    return name if "B" not in needs or _stem(A) == _stem(B) else f"{name} · B: {B.name}"


def _stem(path: Path) -> str:
    """What the file is called without its ending; in a shard, what its sample is."""
    inside = split_member(path)
    return Path(sample_key(inside[1])).name if inside else path.stem
