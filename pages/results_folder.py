"""The results of a test in their folder: names.json, which says what there is, and the page of it, index.html."""
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from pages.page import Caption
from pages.results_page import Column, ResultsPage
from util.errors import UserError
from util.files import write_atomically

NUMBERS = ("metrics.json", "metrics.csv")  # what was measured on the pictures, beside the page
DEFAULT_WIDTH = 256  # of a picture, where names.json is of a version that did not keep it

__all__ = ["NUMBERS", "Column", "OwnValues", "Results", "Row", "add_numbers", "read_results", "write_folder"]


@dataclass(frozen=True)
class OwnValues:
    """A file in values/ that holds a picture with its own values, of which the one in images/ is a view.

    file: relative to values/; range: the values that are black and white in the view, with their type, as
    'uint16:0,4095'; void: whether pixels hold no data; caption: of the view.
    """

    file: str
    range: str
    channels: int
    void: bool
    caption: str


class Row(NamedTuple):
    """Of the results of one image: the title on the page, and the files with values of their own, by label."""

    title: str
    values: Mapping[str, OwnValues]


@dataclass(frozen=True)
class Results:
    """What a test has translated. Its pictures are images/<name>_<label>.png, for each name and each label; values: the
    files beside them that hold what they are views of, by name and label."""

    labels: list[str]
    names: list[str]
    titles: list[str]  # of the rows: the names, or more
    title: str
    facts: dict[str, str]
    image_width: int  # on the page, in CSS pixels
    values: Mapping[str, Mapping[str, OwnValues]] = field(default_factory=dict)


def write_folder(folder: Path, results: Results) -> Path:
    """Write the page, without numbers, and names.json; returns the page. Raises OSError.

    Pictures that only an earlier test named are removed, and numbers of the pictures that were there before.
    """
    earlier = _named(folder) | {folder / name for name in NUMBERS}
    page = _write_page(folder, results, {}, {})
    write_atomically(folder / "names.json", json.dumps(asdict(results), indent=0) + "\n")
    for path in earlier - _named(folder):
        path.unlink(missing_ok=True)
    return page


def add_numbers(folder: Path, columns: Mapping[str, Column], rows: Mapping[str, Mapping[str, float]]) -> Path:
    """Write the page again, with the summaries of `columns` on top and in each row its numbers; returns the page.

    columns: metric -> which way is better and what is said of all rows; a metric that no row has is on top only.
    rows: name of names.json -> metric -> value; where one is missing or not a number the row says so.
    Raises UserError where names.json cannot be read or does not name one of the rows, OSError.
    """
    results = read_results(folder)
    unknown = [name for name in rows if name not in set(results.names)]
    if unknown:
        raise UserError(f"{folder}/names.json names no {unknown[0]!r} ({len(unknown)} of {len(rows)} measured rows are "
                        "not there): were other results written meanwhile? Measure again")
    return _write_page(folder, results, columns, rows)


def read_results(folder: Path) -> Results:
    """What names.json says, of any version. UserError when it is missing or damaged, or names a picture twice, or one
    that does not lie in images/ or values/."""
    path = folder / "names.json"
    try:
        shown: dict[str, Any] = json.loads(path.read_bytes())
        labels, names = ([str(text) for text in shown[key]] for key in ("labels", "names"))
        titles = [str(text) for text in shown.get("titles", names)]
        facts = {str(term): str(fact) for term, fact in shown.get("facts", {}).items()}
        if len(titles) != len(names):
            raise ValueError(f"{len(titles)} titles for {len(names)} names")
        if len(set(names)) < len(names):
            raise ValueError("a name stands there twice")
        values = {str(name): {str(label): OwnValues(str(one["file"]), str(one["range"]), int(one["channels"]),
                                                    bool(one["void"]), str(one["caption"]))
                              for label, one in row.items()} for name, row in shown.get("values", {}).items()}
        own = [one.file for row in values.values() for one in row.values()]
        for name, place in [*((name, "images/") for name in (*names, *labels)), *((file, "values/") for file in own)]:
            if PurePath(name).is_absolute() or ".." in PurePath(name).parts or "\0" in name:
                raise ValueError(f"{name!r} is no file in {place}")
        return Results(labels, names, titles, str(shown.get("title", folder.resolve().name)), facts,
                       int(shown.get("image_width", DEFAULT_WIDTH)), values)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}); run test.py again") from None
    except OSError as error:
        raise UserError(f"{folder} holds no results (names.json: {error.strerror}); expected a folder that test.py "
                        "wrote, such as results/NAME/test_latest") from None


def _write_page(folder: Path, results: Results, columns: Mapping[str, Column],
                numbers: Mapping[str, Mapping[str, float]]) -> Path:
    page = ResultsPage(folder, results.title, results.facts, results.image_width, columns)
    for name, title in zip(results.names, results.titles, strict=True):
        files = [(label, f"{name}_{label}.png") for label in results.labels]
        captions = {label: Caption(own.caption, f"values/{own.file}")
                    for label, own in results.values.get(name, {}).items()}
        page.add_row(title, files, anchor=name, numbers=numbers.get(name, {}), captions=captions)
    return page.save()


def _named(folder: Path) -> set[Path]:
    """The pictures that names.json names, as far as they lie in the folder; none when it is not there or damaged."""
    images, values = (folder / "images").resolve(), (folder / "values").resolve()
    try:
        shown = json.loads((folder / "names.json").read_bytes())
        paths = {(images / f"{name}_{label}.png").resolve() for name in shown["names"] for label in shown["labels"]}
        paths |= {(values / own["file"]).resolve() for row in shown.get("values", {}).values() for own in row.values()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return set()
    return {path for path in paths if path.is_relative_to(images) or path.is_relative_to(values)}
