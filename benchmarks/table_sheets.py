"""From scores to the papers' tables: text in cells, the published number beside ours, and a strip of pictures each."""
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from paper_systems import SYSTEMS, TO_PHOTO, Row, Scores, Table
from table_runs import Place, Run
from table_scores import Score

from evaluation.results import StoredResults, open_results
from evaluation.samples import Direction
from pages.picture_grid import figure, save_figure
from pages.tables_page import Sheet

Found = Mapping[Run, Mapping[str, Score]]
"""The scores of each run that is done, by task."""
MEASURES = ("per-pixel acc.", "per-class acc.", "class IoU")
NONE, CELL, SAMPLES = "–", 128, 4  # CELL: pixels of a picture in a strip; SAMPLES: rows of it


def sheet(table: Table, found: Found) -> Sheet:
    """The table as cells. A system without scores has dashes; several seeds give mean ± standard deviation."""
    header = [table.title.partition(":")[0].rpartition(", ")[2], *(
        f"{measure} ({whose})" for measure in MEASURES for whose in ("paper", "ours"))]
    scores = {row: scores_of(row.system, table.task, found) for row in table.rows}
    rows = [[row.title, *_cells(row.published, [score.values for score in own])] for row, own in scores.items()]
    reals = [score.ceiling for own in scores.values() for score in own if score.ceiling]
    if table.task == TO_PHOTO:
        rows.append(["Real photos: the ceiling", *_cells(table.ceiling, reals[:1])])  # all are of the same photos
    return Sheet(table.key, table.title, header, rows, _orders(scores))


def scores_of(system: str, task: str, found: Found) -> list[Score]:
    """One for each seed."""
    return [scores[task] for run, scores in found.items() if run.system.name == system and task in scores]


def _cells(published: Scores | None, ours: Sequence[Scores]) -> list[str]:
    """Of each measure the paper's and ours."""
    cells = []
    for number in range(len(MEASURES)):
        cells += [f"{published[number]:.2f}" if published else NONE, _own([values[number] for values in ours])]
    return cells


def _own(values: Sequence[float]) -> str:
    if not values:
        return NONE
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def _orders(scores: Mapping[Row, Sequence[Score]]) -> list[str]:
    """Both orders by class IoU, when there are rows to be put in order."""
    ours = {row.title: statistics.fmean(score.values[2] for score in own) for row, own in scores.items() if own}
    papers = {row.title: row.published[2] for row in scores if row.title in ours}
    if len(ours) < 2:
        return []
    return [f"By class IoU, the best first. {whose}: {_ranked(values)}." for whose, values in
            (("Paper", papers), ("Ours", ours))]


def _ranked(values: Mapping[str, float]) -> str:
    """Names in order, > between them; = where the values are equal as they are shown."""
    names = sorted(values, key=lambda name: -values[name])
    text = names[0] if names else ""
    for before, name in pairwise(names):
        text += f" {'=' if f'{values[before]:.3f}' == f'{values[name]:.3f}' else '>'} {name}"
    return text


def write_strip(path: Path, table: Table, place: Place, found: Found) -> bool:
    """Some inputs, what each system makes of them in its first seed, and the truth.

    False when there is nothing to show. Raises OSError; UserError when pictures cannot be read.
    """
    shown = _translations(table, place, found)
    if not shown:
        return False
    stored, direction = next(iter(shown.values()))
    names = list(stored.names)[::max(1, len(stored.names) // SAMPLES)][:SAMPLES]
    first = _pictures(stored, direction, names)
    fakes = [[roles["fake"] for roles in _pictures(*one, names)] for one in shown.values()]
    columns = [[roles["source"] for roles in first], *fakes, [roles["real"] for roles in first]]
    rows = [list(row) for row in zip(*columns, strict=True)]
    save_figure(path, figure(rows, ["input", *shown, "truth"], cell=CELL))
    return True


def _translations(table: Table, place: Place, found: Found) -> dict[str, tuple[StoredResults, Direction]]:
    """The results of each row's first seed, and their direction that is the table's, by the title of the row."""
    photos = "B" if place.labels == "A" else "A"
    arrow = f"{place.labels}->{photos}" if table.task == TO_PHOTO else f"{photos}->{place.labels}"
    shown = {}
    for row in table.rows:
        runs = [run for run, scores in found.items() if run.system == SYSTEMS[row.system] and table.task in scores]
        if runs:
            stored = open_results(place.results(runs[0]))
            shown[row.title] = stored, next(one for one in stored.directions if one.arrow == arrow)
    return shown


def _pictures(stored: StoredResults, direction: Direction, names: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """The pictures of some samples by role."""
    by_name = {name: direction.roles(pictures) for name, pictures in stored if name in names}
    return [by_name[name] for name in names]


def markdown(title: str, facts: Mapping[str, str], sheets: Sequence[Sheet], trainings: Mapping[str, str]) -> str:
    """The page for those who read it where the project is kept."""
    lines = [f"# {title}", "", *(f"- {term}: {fact}" for term, fact in facts.items()), ""]
    for one in sheets:
        lines += [f"## {one.title}", "", _line(one.header), _line(["---"] * len(one.header)), *map(_line, one.rows), ""]
        for note in one.notes:
            lines += [note, ""]
        if one.picture:
            lines += [f"![{one.title}]({one.picture})", ""]
    lines += ["## What was trained", "", *(f"- {name}: `train.py {line}`" for name, line in trainings.items())]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
