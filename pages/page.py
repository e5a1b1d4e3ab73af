"""What every page shares: a header, rows of labelled pictures, one stylesheet, one script.

A page is one file that opens from disk with no network: stylesheet and script are inlined, pictures are
relative links. dominate writes the tags and escapes every name.
"""
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from dominate import document, tags
from dominate.util import raw

Pictures = list[tuple[str, str]]  # (label, file relative to the folder "images" beside the page, or data:...)


class Caption(NamedTuple):
    """What stands below the label of a picture, and leads to a file relative to the page's folder."""

    text: str
    file: str


MOST_ACROSS = 4  # pictures beside each other that a narrow window still shows in one line


def page(title: str, facts: dict[str, str], body: str, image_width: int, reload_seconds: int | None = None, *,
         parts: Sequence[str] = ("page",), top: str = "", tools: Sequence[tags.html_tag] = (), across: int = 3
         ) -> bytes:
    """Return a whole page as UTF-8.

    title, facts: any text; body: HTML that is already escaped; image_width: in CSS pixels;
    reload_seconds: how often the page loads itself again while it is written to, None for never;
    parts: of the stylesheet and of the script, PART.css and PART.js, in order;
    top: HTML below the facts; tools: controls beside those of every page; across: pictures of a row in one line.
    """
    result = document(title, lang="en", style=f"--width: {image_width}px; --across: {across}")
    result.head.add(
        tags.meta(charset="utf-8"),
        tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tags.link(rel="icon", href="data:,"),  # keeps the browser from asking for /favicon.ico
        tags.style(raw(_inlined(parts, "css"))),
    )
    if reload_seconds is not None:
        result.body["data-reload"] = reload_seconds  # by the script, which knows when to stop
    terms = [tags.div(tags.dt(term), tags.dd(fact)) for term, fact in facts.items()]
    result.body.add(
        tags.header(tags.h1(title), tags.dl(terms), raw(top)),
        _tools(image_width, tools),
        tags.main(raw(body)),
        tags.script(raw(_inlined(parts, "js"))),
    )
    return result.render(pretty=False).encode("utf-8", errors="replace")


def picture_row(title: str, pictures: Pictures, image_width: int, anchor: str | None = None,
                numbers: Mapping[str, float] | None = None, captions: Mapping[str, Caption] = MappingProxyType({})
                ) -> str:
    """Return one row as HTML: the title, the numbers, then each picture with its label below.

    A click opens the picture; #row-ANCHOR, escaped as in a URL, leads to the row. anchor: the title if not given;
    numbers: metric -> value, NaN where it is not known; captions: by label.
    """
    place = "row-" + quote(os.fsencode(title if anchor is None else anchor))
    head = tags.div(tags.h2(title), tags.a("#", href=f"#{place}", cls="anchor", aria_label="link to this row"),
                    cls="head")
    if numbers:
        head.add(tags.p([_number(name, value) for name, value in numbers.items()], cls="numbers"))
    labels = [label for label, _ in pictures]
    across, step = pictures_across(labels), _of_one_direction(labels)
    figures = [_figure(label, file, image_width, captions.get(label)) for label, file in pictures]
    directions = [tags.div(figures[start:start + step], cls="direction") for start in range(0, len(pictures), step)]
    shown = tags.div(directions, cls="pictures", style=f"--across: {across}")
    return tags.section(head, shown, cls="row", id=place).render(pretty=False) + "\n"


def pictures_across(labels: Sequence[str]) -> int:
    """How many of a row's pictures, which have these labels, stand in one line: at most those of one direction."""
    return min(_of_one_direction(labels), MOST_ACROSS)


def _of_one_direction(labels: Sequence[str]) -> int:
    """How many of a row's pictures belong to one direction: half of them where A to B and back comes before B to A and
    back, else all; at least 1.
    """
    half = len(labels) // 2
    two = len(labels) % 2 == 0 and "fake_B" in labels[:half] and "fake_A" in labels[half:]
    return half if two else max(1, len(labels))


def _figure(label: str, file: str, width: int, caption: Caption | None) -> tags.figure:
    name = quote(os.fsencode(file))  # fsencode: a file name need not be valid Unicode
    url = file if file.startswith("data:image/") else f"images/{name}"
    image = tags.img(src=url, alt=label, width=width, loading="lazy", decoding="async")
    below = tags.figcaption(label)
    if caption:
        below.add(" ", tags.a(caption.text, href=quote(os.fsencode(caption.file)), cls="values"))
    return tags.figure(tags.a(image, href=url), below)


class _Data(tags.html_tag):
    """<data>, which dominate does not have."""

    tagname = "data"


def _number(name: str, value: float) -> tags.span:
    """A metric and its value, to read and, in full, for the script."""
    if math.isnan(value):
        return tags.span(f"{name} ", _Data("–", value=""))
    full = repr(float(value)).replace("inf", "Infinity")  # as JavaScript reads it
    return tags.span(f"{name} ", _Data(f"{value:.4g}".replace("inf", "∞"), value=full))


def _tools(image_width: int, more: Sequence[tags.html_tag]) -> tags.form:
    """The controls that the script drives; hidden where scripts do not run."""
    smallest, largest = min(32, image_width), max(1024, image_width)
    return tags.form(
        tags.label("Filter", tags.input_(type="search", name="filter", placeholder="part of a name")),
        tags.output(name="shown"),
        *more,
        tags.label("Width", tags.input_(type="range", name="width", aria_label="Width of the pictures", min=smallest,
                                        max=largest, step="any", value=image_width)),
        cls="tools", autocomplete="off", hidden=True,
    )


def _inlined(parts: Sequence[str], ending: str) -> str:
    """The stylesheets or the scripts of the parts of a page, one behind the other."""
    files = [Path(__file__).with_name(f"{part}.{ending}") for part in parts]
    return "".join(file.read_text(encoding="utf-8") for file in files if file.exists())
