"""The page of a comparison: methods are columns under their numbers, inputs are rows."""
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from dominate import tags
from dominate.util import raw

from pages.page import page
from util.files import write_atomically

NO_BREAK_SPACE = "\xa0"  # keeps the line, so that columns stay level


@dataclass(frozen=True)
class Number:
    """A metric of one method, over all rows. text: its value; interval: '' where there is none."""

    text: str
    interval: str = ""
    best: bool = False  # of all methods; where several are the same, each of them


@dataclass(frozen=True)
class Heading:
    """What stands above a column. numbers: by metric; {} above a column that is no method's."""

    title: str
    numbers: Mapping[str, Number] = field(default_factory=dict)


class ComparePage:
    """`index.html` of a comparison."""

    def __init__(self, folder: Path, title: str, facts: dict[str, str], headings: Sequence[Heading], image_width: int):
        """folder: holds `index.html` and the pictures in `images/`; facts: shown as a list of terms below the title;
        headings: of the columns; image_width: at which a picture is shown where there is room, in CSS pixels."""
        self.folder = folder
        self.title = title
        self.facts = facts
        self.headings = headings
        self.image_width = image_width
        self.rows: list[str] = []

    def add_row(self, name: str, files: Sequence[str], numbers: Sequence[Mapping[str, str]]) -> None:
        """Add one input. A column each: files, relative to `images/`; numbers, by metric, below the picture."""
        row = tags.div(cls="pictures")
        for heading, file, own in zip(self.headings, files, numbers, strict=True):
            url = "images/" + quote(os.fsencode(file))
            image = tags.img(src=url, alt=heading.title, width=self.image_width, loading="lazy", decoding="async")
            caption = tags.figcaption(heading.title)
            if own:
                caption.add(tags.span([tags.span(f"{metric} {text}") for metric, text in own.items()], cls="own"))
            row.add(tags.figure(tags.a(image, href=url), caption))
        place = "row-" + quote(os.fsencode(name))
        head = tags.div(tags.h2(name), tags.a("#", href=f"#{place}", cls="anchor", aria_label="link to this row"),
                        cls="head")
        self.rows.append(tags.section(head, row, cls="row", id=place).render(pretty=False) + "\n")

    def save(self) -> Path:
        """Write `index.html` and return its path. Raises OSError."""
        body = tags.div(cls="comparison", style=f"--columns: {len(self.headings)}")
        body.add(tags.div([_heading(heading) for heading in self.headings], cls="headings"))
        body.add(raw("".join(self.rows)))
        path = self.folder / "index.html"
        write_atomically(path, page(self.title, self.facts, body.render(pretty=False), self.image_width,
                                    parts=("page", "compare", "zoom")))
        return path


def _heading(heading: Heading) -> tags.div:
    """The title and, a line each, the numbers."""
    lines = []
    for metric, number in heading.numbers.items():
        value = tags.b(number.text, title="the best of all") if number.best else tags.span(number.text)
        lines.append(tags.div(tags.dt(metric), tags.dd(value, tags.small(number.interval or NO_BREAK_SPACE))))
    return tags.div(tags.h2(heading.title), tags.dl(lines) if lines else "", cls="method" if lines else "")
