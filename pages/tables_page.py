"""A page of tables, each with what is to be said of it and a strip of pictures."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from dominate import tags

from pages.page import page

WIDTH = 128  # of a picture in a strip, in CSS pixels


@dataclass(frozen=True)
class Sheet:
    """A table. key: its anchor; rows: texts, of which the first names the row; notes: below it; picture: a file
    relative to the page, '' for none; across: pictures beside each other in it."""

    key: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default_factory=list)
    picture: str = ""
    across: int = 1


def tables_page(title: str, facts: dict[str, str], sheets: Sequence[Sheet], listed: Mapping[str, str]) -> bytes:
    """The whole page as UTF-8. listed: terms and texts at its end, such as the commands."""
    sections = [_section(sheet) for sheet in sheets]
    commands = tags.details(tags.summary("What was trained"),
                            tags.dl([tags.div(tags.dt(term), tags.dd(tags.code(text)))
                                     for term, text in listed.items()]))
    body = "".join(part.render(pretty=False) for part in [*sections, commands])
    return page(title, facts, body, WIDTH, parts=("page", "tables"), across=12)


def _section(sheet: Sheet) -> tags.section:
    result = tags.section(tags.h2(sheet.title), cls="row", id=f"row-{quote(sheet.key)}")
    head = tags.thead(tags.tr([tags.th(cell, scope="col") for cell in sheet.header]))
    rows = [tags.tr(tags.th(row[0], scope="row"), [tags.td(cell) for cell in row[1:]]) for row in sheet.rows]
    result.add(tags.div(tags.table(head, tags.tbody(rows)), cls="scroll"))
    result.add([tags.p(note) for note in sheet.notes])
    if sheet.picture:
        url = quote(sheet.picture)
        image = tags.img(src=url, alt=f"{sheet.title}: examples", loading="lazy", decoding="async",
                         style=f"width: calc({sheet.across} * var(--width))")
        result.add(tags.a(image, href=url))
    return result
