"""The page of results: a row of pictures for each translated image, with its numbers where they were measured."""
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dominate import tags

from pages.page import Caption, Pictures, page, picture_row, pictures_across
from util.files import write_atomically


@dataclass(frozen=True)
class Column:
    """A metric on a page of results."""

    better: Literal["higher", "lower"]
    summary: str  # its value over all rows, as it is to be read: "24.31 [23.9, 24.7]"


@dataclass(frozen=True)
class _Row:
    title: str
    pictures: Pictures
    anchor: str | None
    numbers: Mapping[str, float]
    captions: Mapping[str, Caption]


class ResultsPage:
    """`index.html` of a test run: one row of pictures for each translated image, all with the same labels."""

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
                numbers: Mapping[str, float] | None = None, captions: Mapping[str, Caption] | None = None) -> None:
        """Add the pictures that belong to one image.

        title: shown above them, with its subfolder where it has one ("sub/a");
        pictures: (label, file relative to `images/`), in the order to show;
        anchor: what a link to the row is made of, the title if it is not given; numbers: metric -> value;
        captions: by label.
        """
        self.rows.append(_Row(title, pictures, anchor, numbers or {}, captions or {}))

    def save(self) -> Path:
        """Write `index.html` and return its path. Raises OSError."""
        metrics = [name for name in self.columns if any(name in row.numbers for row in self.rows)]
        labels = [label for label, _ in self.rows[0].pictures] if self.rows else []
        body = "".join(picture_row(row.title, row.pictures, self.image_width, row.anchor,
                                   {name: row.numbers.get(name, math.nan) for name in metrics}, row.captions)
                       for row in self.rows)
        path = self.folder / "index.html"
        write_atomically(path, page(
            self.title, self.facts, body, self.image_width, parts=("page", "results", "zoom"),
            top=_summaries(self.columns),
            tools=[_order(metrics, self.columns), *_view(labels), _chosen(labels, metrics)],
            across=pictures_across(labels)))
        return path


def _summaries(columns: Mapping[str, Column]) -> str:
    """What is said of all rows, an entry a metric."""
    if not columns:
        return ""
    entries = [tags.div(tags.dt(name), tags.dd(column.summary), tags.dd(f"{column.better} is better", cls="better"),
                        cls=column.better) for name, column in columns.items()]
    return tags.dl(entries, cls="summaries").render(pretty=False) + "\n"


def _order(metrics: Sequence[str], columns: Mapping[str, Column]) -> tags.label:
    """By what the rows are sorted, and from which end; the script words the ends."""
    choices = [tags.option("as translated", value="as translated"), tags.option("name", value="name")]
    choices += [tags.option(name, value=f"metric {name}", data_better=columns[name].better) for name in metrics]
    return tags.label("Sort by", tags.select(choices, name="sort"),
                      tags.select(tags.option(value="first"), tags.option(value="last"), name="order",
                                  aria_label="Order"))


def _view(labels: Sequence[str]) -> list[tags.html_tag]:
    """Pictures beside each other, or one on top of another with a slider between them."""
    def choice(name: str, chosen: int, described: str) -> tags.select:
        options = [tags.option(label, value=label, selected=number == chosen) for number, label in enumerate(labels)]
        return tags.select(options, name=name, aria_label=described)

    views = [tags.option("side by side", value="beside"), tags.option("with a slider", value="slider")]
    return [tags.label("View", tags.select(views, name="view")),
            tags.span(choice("left", 0, "Picture left of the slider"), " | ",
                      choice("right", 1, "Picture right of the slider"), cls="sides")]


def _chosen(labels: Sequence[str], metrics: Sequence[str]) -> tags.details:
    """Which pictures and which numbers of a row are shown."""
    menu = tags.div()
    for title, name, choices in ("Pictures", "picture", labels), ("Numbers", "number", metrics):
        boxes = [tags.label(tags.input_(type="checkbox", name=name, value=choice, checked=True), choice)
                 for choice in choices]
        if boxes:
            menu.add(tags.fieldset(tags.legend(title), boxes))
    return tags.details(tags.summary("Columns"), menu, cls="menu")
