"""The page of results, and what every page shares: a header, rows of labelled pictures, one stylesheet, one script.

A page is one file that opens from disk with no network: stylesheet and script are inlined, pictures are
relative links. dominate writes the tags and escapes every name.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from dominate import document, tags
from dominate.util import raw

from util.files import write_atomically

Pictures = list[tuple[str, str]]  # (label, file relative to the folder "images" beside the page)


@dataclass(frozen=True)
class Column:
    """A metric on a page of results."""

    better: Literal["higher", "lower"]
    summary: str  # its value over all rows, as it is to be read: "24.31 [23.9, 24.7]"


class ResultsPage:
    """`index.html` of a test run: one row of pictures for each translated image."""

    def __init__(self, folder: Path, title: str, facts: dict[str, str], image_width: int,
                 columns: Mapping[str, Column] | None = None):
        """folder: holds `index.html` and the pictures in `images/`; facts: shown as a list of terms below the
        title; image_width: width at which a picture is shown, in CSS pixels; columns: metrics, by name."""
        self.folder = Path(folder)
        self.title = title
        self.facts = facts
        self.image_width = image_width
        self.columns = dict(columns or {})
        self.rows: list[_Row] = []

    def add_row(self, title: str, pictures: Pictures, anchor: str | None = None,
                numbers: Mapping[str, float] | None = None) -> None:
        """Add the pictures that belong to one image.

        title: shown above them, with its subfolder where it has one ("sub/a");
        pictures: (label, file relative to `images/`), in the order to show;
        anchor: what a link to the row is made of, the title if it is not given; numbers: metric -> value.
        """
        self.rows.append(_Row(title, pictures, anchor, dict(numbers or {})))

    def save(self) -> Path:
        """Write `index.html` and return its path. Raises OSError."""
        path = self.folder / "index.html"
        metrics = [name for name in self.columns if any(name in row.numbers for row in self.rows)]
        body = "".join(picture_row(row.title, row.pictures, self.image_width, row.anchor,
                                   {name: row.numbers.get(name, math.nan) for name in metrics}) for row in self.rows)
        write_atomically(path, page(self.title, self.facts, _summaries(self.columns) + body, self.image_width))
        return path


@dataclass(frozen=True)
class _Row:
    title: str
    pictures: Pictures
    anchor: str | None
    numbers: dict[str, float]


def picture_row(title: str, pictures: Pictures, image_width: int, anchor: str | None = None,
                numbers: Mapping[str, float] | None = None) -> str:
    """Return one row as HTML: the title, the numbers, then each picture with its label below.

    A click opens the picture itself; #row-ANCHOR, escaped as in a URL, leads to the row.
    """
    row = tags.div(cls="pictures")
    for label, file in pictures:
        # fsencode: a file name need not be valid Unicode
        url = "images/" + quote(os.fsencode(file))
        image = tags.img(src=url, alt=label, width=image_width, loading="lazy", decoding="async")
        row.add(tags.figure(tags.a(image, href=url), tags.figcaption(label)))
    place = "row-" + quote(os.fsencode(title if anchor is None else anchor))
    link = tags.a("#", href=f"#{place}", cls="anchor", aria_label="link to this row")
    head = [tags.h2(title), link]
    if numbers:
        head.append(tags.p([_number(name, value) for name, value in numbers.items()], cls="numbers"))
    return tags.section(tags.div(head, cls="head"), row, cls="row", id=place).render(pretty=False) + "\n"


class _Data(tags.html_tag):
    """<data>, which dominate does not have."""

    tagname = "data"


def _number(name: str, value: float) -> tags.span:
    """A metric and its value, which a script finds in full."""
    if math.isnan(value):
        return tags.span(f"{name} ", _Data("–", value=""))
    full = repr(float(value)).replace("inf", "Infinity")  # as JavaScript reads it
    return tags.span(f"{name} ", _Data(f"{value:.4g}".replace("inf", "∞"), value=full))


def _summaries(columns: Mapping[str, Column]) -> str:
    """What is said of all rows, a metric an entry."""
    if not columns:
        return ""
    entries = [tags.div(tags.dt(name), tags.dd(column.summary), tags.dd(f"{column.better} is better", cls="better"),
                        data_better=column.better) for name, column in columns.items()]
    return tags.dl(entries, cls="summaries").render(pretty=False) + "\n"


def page(title: str, facts: dict[str, str], body: str, image_width: int, reload_seconds: int | None = None) -> bytes:
    """Return a whole page as UTF-8.

    title, facts: any text; body: HTML that is already escaped; image_width: in CSS pixels;
    reload_seconds: how often the page loads itself again while it is written to, None for never.
    """
    here = Path(__file__)
    result = document(title, lang="en", style=f"--width: {image_width}px")
    result.head.add(
        tags.meta(charset="utf-8"),
        tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tags.link(rel="icon", href="data:,"),  # keeps the browser from asking for /favicon.ico
        tags.style(raw(here.with_name("page.css").read_text(encoding="utf-8"))),
    )
    if reload_seconds is not None:
        result.body["data-reload"] = reload_seconds  # by the script, which knows when to stop
    terms = [tags.div(tags.dt(term), tags.dd(fact)) for term, fact in facts.items()]
    result.body.add(
        tags.header(tags.h1(title), tags.dl(terms)),
        _tools(image_width),
        tags.main(raw(body)),
        tags.script(raw(here.with_name("page.js").read_text(encoding="utf-8"))),
    )
    return result.render(pretty=False).encode("utf-8", errors="replace")


def _tools(image_width: int) -> tags.form:
    """The controls that the script drives; hidden where scripts do not run."""
    smallest, largest = min(32, image_width), max(1024, image_width)
    return tags.form(
        tags.label("Filter", tags.input_(type="search", name="filter", placeholder="part of a name")),
        tags.output(name="shown"),
        tags.label(
            "Picture width",
            tags.input_(type="range", name="width", min=smallest, max=largest, step="any", value=image_width),
        ),
        cls="tools",
        hidden=True,
    )
