"""The page of the dataset doctor: what was found, suspicious images first, then samples of each split."""
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from dominate import tags

from pages.page import Pictures, page, picture_row
from util.files import write_atomically


class Told(NamedTuple):
    """A finding as the page shows it. anchor: of the section with its pictures, '' where there are none."""

    severity: str  # error, warning, note
    text: str
    advice: str
    anchor: str


class ContactSheet:
    """`index.html` with sections of rows of pictures, which lie in `images/` beside it."""

    def __init__(self, folder: Path, title: str, facts: Mapping[str, str], findings: Sequence[Told], image_width: int):
        """facts: shown as a list of terms below the title; image_width: of a picture, in CSS pixels."""
        self.folder, self.title, self.facts, self.image_width = folder, title, dict(facts), image_width
        self.findings = findings
        self.body: list[str] = []

    def add_section(self, anchor: str, title: str, about: str = "") -> None:
        """Begin a section; rows that are added belong to it."""
        heading = tags.div(tags.h2(title), tags.p(about) if about else "", cls="section", id=_place(anchor))
        self.body.append(heading.render(pretty=False) + "\n")

    def add_row(self, title: str, pictures: Pictures, anchor: str) -> None:
        """Add images that belong together. pictures: (label, file relative to `images/`)."""
        self.body.append(picture_row(title, pictures, self.image_width, anchor))

    def save(self) -> Path:
        """Write `index.html` and return its path. Raises OSError."""
        path = self.folder / "index.html"
        write_atomically(path, page(self.title, self.facts, "".join(self.body), self.image_width,
                                    parts=("page", "contact_sheet", "zoom"), top=self._findings(), across=2))
        return path

    def _findings(self) -> str:
        if not self.findings:
            return tags.p("Nothing was found.", cls="findings").render(pretty=False)
        return tags.ul([_item(told) for told in self.findings], cls="findings").render(pretty=False) + "\n"


def _item(told: Told) -> tags.li:
    item = tags.li(tags.b(told.severity), " ", tags.span(told.text), cls=told.severity)
    if told.advice:
        item.add(tags.p(told.advice))
    if told.anchor:
        item.add(tags.a("show them", href=f"#{_place(told.anchor)}"))
    return item


def _place(anchor: str) -> str:
    return "section-" + quote(os.fsencode(anchor))
