"""The page of a translated folder: a sample of its pictures, each beside its input, all in one file."""
from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from door.journal import Entry, Journal
from door.work import Piece, Work
from options.groups import TestCommandOptions
from options.schema import Options
from pages.dates import date
from pages.page import Caption
from pages.pictures import facts
from pages.results_page import ResultsPage
from raster.bad_image import BadImage
from raster.results import range_of_results
from raster.value_range import ValueRange
from raster.view import read_image
from runs.translating import epoch_shown
from shards.index import load
from shards.member import member_path, split_member
from util.names import split_ending

LONGEST = 512  # pixels of a side, as shown
QUALITY = 90


def write_sample(sample: Sequence[Piece], work: Work, journal: Journal, options: Options) -> Path:
    """Write index.html into the folder of the results, with those of the sample that were made; returns it.

    The pictures are within the page: nothing else is added to the folder. Raises OSError.
    """
    opt, entries = options.view(TestCommandOptions), journal.entries()
    found = [(piece, _made(piece, journal, entries)) for piece in sample]
    made = [(piece, target) for piece, target in found if target]
    header = facts(opt.model, opt.dataroot, epoch_shown(options), options.changed(), date(time.time()))
    header |= {"pictures": f"{len(made)} of {work.size}, from all over them"}
    page = ResultsPage(journal.place, f"{opt.name}: {journal.place.name}", header, opt.display_winsize)
    for piece, target in made:
        values = work.range_of(piece)
        out = range_of_results(opt.output_range or opt.value_range, values, "output_range")
        try:
            views = [("input", _view(Path(piece.source), values, opt.max_pixels)),
                     ("output", _view(journal.place / target, out, opt.max_pixels))]
        except BadImage:  # gone or changed meanwhile
            continue
        page.add_row(target, views, captions={"output": Caption("file", target)})
    return page.save()


def _made(piece: Piece, journal: Journal, entries: Mapping[str, Entry]) -> str | None:
    """The file that a piece became, as it is called in the folder of the results; None where it was not made."""
    if piece.name in entries:
        return entries[piece.name].target
    inside = split_member(Path(piece.target))
    if not (inside and inside[0].is_file()):
        return None
    shard, stem = inside[0], os.fsencode(split_ending(inside[1])[0])
    names = (name for name in load(shard).names() if name.startswith(stem + b"."))
    return next((os.path.relpath(member_path(shard, os.fsdecode(name)), journal.place) for name in names), None)


def _view(path: Path, values: ValueRange, max_pixels: float) -> str:
    """A small view of a picture, as an address that holds it."""
    view = read_image(path, 3, values, max_pixels)
    view.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    view.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
