"""The page of a translated folder: a sample of its pictures, each beside its input, all in one file."""
from __future__ import annotations

import base64
import io
import time
from pathlib import Path

from PIL import Image

from door.journal import Journal
from door.work import Work
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

LONGEST = 512  # pixels of a side, as shown
QUALITY = 90


def write_sample(work: Work, journal: Journal, options: Options) -> Path:
    """Write index.html into the folder of the results, with the sample of the work that was made; returns it.

    The pictures are within the page: nothing else is added to the folder. Raises OSError.
    """
    opt, entries = options.view(TestCommandOptions), journal.entries()
    made = [(piece, entries[piece.name].target) for piece in work.sample if piece.name in entries]
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


def _view(path: Path, values: ValueRange, max_pixels: float) -> str:
    """A small view of a picture, as an address that holds it."""
    view = read_image(path, 3, values, max_pixels)
    view.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    view.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
