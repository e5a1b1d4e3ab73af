"""test.py --tile: each picture is translated tile by tile at its own size; the page shows reduced views."""
from __future__ import annotations

from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from data.giants import find_giants, ranges_of_giants
from data.pages import chosen_pages
from door.giant import Giant, Way
from door.giants_page import shown_as, write_page
from door.jobs import Job, Say, identities, plan, require_another
from engine.device import choose_device
from engine.engine import Engine
from models.network_options import image_sizes
from opening import make_engine
from options.groups import OutputOptions, TestCommandOptions, TileOptions
from options.schema import Options
from raster.names import split_page
from raster.results import range_of_results
from raster.writing import FORMATS
from runs.earlier_results import require_same_inputs
from runs.progress import Told
from runs.shared_results import SharedNames
from runs.trained_run import open_run
from runs.translating import results_folder
from util.errors import UserError
from util.names import split_ending
from util.notices import say
from util.torchrun import world_size

if TYPE_CHECKING:
    from door.translator import Translator

VALUES = "values"  # the folder of the translations, beside that of the page's pictures
GENERATORS = ("G", "G_A")  # that translate A into B, by the names of networks


def translate_giants(options: Options) -> None:
    """Translate the pictures that the options name tile by tile: to --output, or beside a page of reduced views. With
    --dry_run, print how instead.

    UserError for options that tiles do not go with, and for files that cannot be read in parts; MachineError where
    memory or disk do not suffice.
    """
    opt, output = options.view(TestCommandOptions), options.view(OutputOptions).output
    _refuse_what_needs_the_whole(options)
    run = open_run(Path(opt.checkpoints_dir, opt.name), options.declared)
    device = choose_device(opt.gpu_ids, options.given("gpu_ids"))
    folder = results_folder(opt)
    jobs, names = (_jobs_of_files(opt, output), []) if output else _jobs_of_a_page(options, folder)
    engine = make_engine(options, device, run)
    if not output:
        require_same_inputs(folder, options)
    print(engine.describe(opt.verbose))
    giants = open_giants(options, engine, jobs)
    if options.view(TileOptions).dry_run:
        for giant in giants:
            print(f"{giant.describe()}\n  about {_duration(giant.seconds())}, as one tile takes here")
        return
    for giant in giants:
        _translate(giant)
    if not output:
        print(f"page: {write_page(options, folder, names, giants)}")
    elif len(giants) == 1:
        print(f"output: {giants[0].target}")
    for giant in giants:
        giant.forget()


def translate_giant(translator: Translator, source: Path, target: Path, tile: str | int, norm: str,
                    progress: Callable[[int, int], None]) -> list[str]:
    """Translate one file into another tile by tile; returns notices. Raises as test.py --tile does.

    progress: is told what of the arithmetic is done, and how much it is in all.
    """
    notices: list[str] = []
    try:
        how = {name: translator.options.declared[name].read(str(value))
               for name, value in (("tile", tile), ("tile_norm", norm))}
    except ArgumentTypeError as error:
        raise UserError(f"tile_norm {error}") from None
    jobs = _jobs_of_pages(Job(source, target), translator.opt, notices.extend)
    (giant,) = open_giants(translator.options.replace(**how), translator.engine, jobs, notices.extend)
    try:
        giant.translate(progress)
    finally:
        giant.reader.close()
    return notices


def open_giants(options: Options, engine: Engine, jobs: Sequence[Job], say: Say = say) -> list[Giant]:
    """The translations of some files, with the ranges of values that belong to all of them. Raises as `Giant` does.

    say: shows the user lines.
    """
    opt, how = options.view(TestCommandOptions), options.view(TileOptions)
    if next(iter(engine.model.nets)).removesuffix(options.as_dict().get("model_suffix", "")) not in GENERATORS:
        raise UserError(f"--tile translates with one network, and --model {opt.model} has "
                        f"{', '.join(engine.model.nets)}; give a run of another model")
    if opt.model == "colorization":
        raise UserError("--tile writes what a network answers, and that of --model colorization answers colours "
                        "without the lightness that makes a picture of them; leave out --tile")
    inputs = identities(split_page(job.source)[0] for job in jobs)
    for job in jobs:
        require_another(job.target, inputs)
    net = next(iter(engine.model.nets.values()))
    ranges, notices = ranges_of_giants((job.source for job in jobs), opt)
    say(notices)
    multiple, least = image_sizes(options, training=False)
    way = Way(_side(how.tile, multiple), how.tile_norm, multiple, least, (opt.input_nc, opt.output_nc), opt.seed,
              opt.max_pixels, engine.precision)
    asked = opt.output_range or opt.value_range
    return [Giant(net, job.source, job.target, ranges[job.source],
                  range_of_results(asked, ranges[job.source], "output_range"), way) for job in jobs]


def _side(tile: str, multiple: int) -> int | None:
    """The side of a tile, None for auto. UserError for what is neither."""
    if tile == "auto":
        return None
    if not tile.isdecimal() or int(tile) < 1 or int(tile) % multiple:
        raise UserError(f"--tile {tile} is no side of a tile; expected auto, or a multiple of {multiple} pixels, such "
                        f"as --tile {multiple * (512 // multiple)}")
    return int(tile)


def _refuse_what_needs_the_whole(options: Options) -> None:
    for flag in ("samples", "aspect_ratio"):
        if options.given(flag):
            raise UserError(f"--{flag} needs whole pictures in memory, and --tile has parts of them; leave out one of "
                            "the two")
    if world_size() > 1:
        raise UserError("--tile translates in one process, and torchrun started several; start it with python")
    if options.view(OutputOptions).output == "-" or options.view(TestCommandOptions).dataroot == "-":
        raise UserError("--tile goes from file to file, and - is a stream; give files")


def _jobs_of_a_page(options: Options, folder: Path) -> tuple[list[Job], list[str]]:
    """What becomes which file of a results folder, and the names of the results."""
    opt = options.view(TestCommandOptions)
    found, notices = find_giants(options)
    sources = found[:opt.num_test]
    if len(found) > len(sources):
        notices.append(f"note: the first {len(sources)} images are translated; a larger --num_test takes more")
    say(notices)
    shared = SharedNames(found, len(sources))
    names = [shared(str(path)) for path in sources]
    _, fake = shown_as(opt.model)
    return [Job(path, folder / VALUES / f"{name}_{fake}.{_ending(opt.format, path)}")
            for path, name in zip(sources, names, strict=True)], names


def _jobs_of_files(opt: TestCommandOptions, output: str) -> list[Job]:
    """What becomes which file of --output."""
    jobs = []
    for job in plan(Path(opt.dataroot), output, say):
        jobs += _jobs_of_pages(job, opt, say)
    stems = [job.target.with_name(split_ending(job.target.name)[0]) for job in jobs]
    uses = Counter(stems)
    kept = [job.target if uses[stem] > 1 else stem for job, stem in zip(jobs, stems, strict=True)]
    return [job if job.named else job._replace(target=path.with_name(f"{path.name}.{_ending(opt.format, job.source)}"))
            for job, path in zip(jobs, kept, strict=True)]


def _jobs_of_pages(job: Job, opt: TestCommandOptions, say: Say) -> list[Job]:
    """A job for each of the pages that --page chooses."""
    pages, notices = chosen_pages([job.source], opt.page)
    say(notices)
    if job.named and len(pages) > 1:
        raise UserError(f"{job.target} is one file, and {job.source} has {len(pages)} pages; give a folder, or the "
                        "page's number")
    return [job._replace(source=page, target=job.target if job.named else job.target.with_name(page.name))
            for page in pages]


def _ending(format: str, source: Path) -> str:
    """Of a translation: what --format says, else of what is written in parts that which is nearest to the source."""
    if format in FORMATS:
        return FORMATS[format].ending
    return "npy" if source.suffix.lower() == ".npy" else "tif"


def _translate(giant: Giant) -> None:
    """Translate one picture, unless that was done before the command was killed; shows how far it is."""
    if giant.is_done():
        print(f"{giant.target} is complete already")
        return
    print(giant.describe())
    with closing(Told(giant.source.name, "FLOP")) as show:
        giant.translate(show, note=True)


def _duration(seconds: float) -> str:
    """'3 hours 20 minutes'."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.2g} seconds"
    hours, rest = divmod(minutes, 60)
    return " ".join(f"{count} {unit}{'s' * (count > 1)}" for count, unit in ((hours, "hour"), (rest, "minute"))
                    if count)
