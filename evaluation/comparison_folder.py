"""A comparison in its folder: pictures, figure, page, and comparison.json, by which it is known as ours."""
import json
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evaluation.compared_numbers import above_columns
from evaluation.comparing import Method
from evaluation.measuring import Measured
from evaluation.results import read_picture
from evaluation.tables import meaning, number
from pages.compare_page import ComparePage, Heading
from pages.picture_grid import figure, save_figure
from pages.pictures import UniqueNames
from util.errors import UserError
from util.files import write_atomically

RECORD = "comparison.json"
KIND = "comparison of bothways"
INPUT, TRUTH = "Input", "Ground truth"
THREADS = 8  # flushing a file to disk takes longer than copying it
IMAGE_WIDTH = 256  # on the page, in CSS pixels


def require_folder(folder: Path, inputs: Iterable[Path], overwrite: bool) -> None:
    """UserError when the folder holds something else than an earlier comparison, which is replaced; with `overwrite`
    only where it is one of the inputs."""
    if any(folder.resolve() == path.resolve() for path in inputs):
        raise UserError(f"--output {folder} is one of the folders to compare; give another one")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output {folder} is a file; give a folder")
    if not overwrite and folder.is_dir() and any(folder.iterdir()) and _earlier(folder) is None:
        raise UserError(f"--output {folder} holds something else than a comparison; give another folder, or "
                        "--overwrite to write the comparison among what is there")


class Comparison:
    """Methods as columns, between their input and, where it is known, the truth; inputs as rows."""

    def __init__(self, folder: Path, methods: Sequence[Method], names: Sequence[str]):
        """folder: for index.html, comparison.png, comparison.json and images/<column>/<name>.png; names: of the inputs.
        """
        self.folder, self.methods, self.names = folder, methods, names
        self.columns = [(INPUT, methods[0], "source"), *((method.title, method, "fake") for method in methods)]
        self.columns += [(TRUTH, method, "real") for method in methods if method.paired][:1]
        self.titles = [title for title, _, _ in self.columns]
        unique = UniqueNames()
        self.subfolders = [unique(re.sub(r"[^a-z0-9-]+", "_", title.lower()).strip("_")[:60] or "method")
                           for title in self.titles]

    def pictures(self, name: str) -> list[Path]:
        """The files of one input, a column each, where the methods have them."""
        return [method.picture(name, role) for _, method, role in self.columns]

    def copies(self, name: str) -> list[str]:
        """The same in this folder, relative to images/."""
        return [f"{subfolder}/{name}.png" for subfolder in self.subfolders]

    def write_pictures(self) -> None:
        """Copy the pictures here, and note in comparison.json which they are.

        Pictures of an earlier comparison are removed, and nothing else. Raises OSError.
        """
        files = {f"images/{copy}": picture for name in self.names
                 for copy, picture in zip(self.copies(name), self.pictures(name), strict=True)}
        old = [file for file in _earlier(self.folder) or [] if file not in files]
        record = {"kind": KIND, "columns": dict(zip(self.subfolders, self.titles, strict=True)), "names": self.names,
                  "files": [*files, *old]}
        # First, so that a comparison which was broken off is known as ours.
        write_atomically(self.folder / RECORD, json.dumps(record, indent=1) + "\n")
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda file: write_atomically(self.folder / file, files[file].read_bytes()), files))
        for file in old:
            if (self.folder / file).resolve().is_relative_to((self.folder / "images").resolve()):
                (self.folder / file).unlink(missing_ok=True)

    def write_figure(self, names: Sequence[str], row_names: bool, cell: int) -> Path:
        """Write comparison.png of these inputs; returns its path. Raises OSError."""
        rows = [[read_picture(picture) for picture in self.pictures(name)] for name in names]
        path = self.folder / "comparison.png"
        save_figure(path, figure(rows, self.titles, names if row_names else (), cell))
        return path

    def write_page(self, measured: Sequence[Measured | None]) -> Path:
        """Write index.html; returns its path. measured: each method, None where nothing was. Raises OSError."""
        headings = [Heading(title, own) for title, own in
                    zip(self.titles, [{}, *above_columns(measured), {}], strict=False)]
        rows = [one.report.rows if one else {} for one in measured]
        title = f"Comparison of {len(self.methods)} methods"
        page = ComparePage(self.folder, title, self._facts(measured), headings, IMAGE_WIDTH)
        for name in self.names:
            own = [{metric: number(value) for metric, value in of_method.get(name, {}).items()} for of_method in rows]
            page.add_row(name, self.copies(name), [{}, *own, {}][:len(self.columns)])
        return page.save()

    def _facts(self, measured: Sequence[Measured | None]) -> dict[str, str]:
        facts = {"inputs": f"{len(self.names)}, the same for all methods"}
        metrics = {name: metric for one in measured if one for name, metric in one.metrics.items()}
        if metrics:
            facts["numbers"] = "\n".join(f"{meaning(name, metric)}, {metric.better} is better"
                                         for name, metric in metrics.items())
            facts["intervals"] = "95%, by resampling the inputs; the best number is bold"
        notes = [f"{one.result}: {notice}" for one in measured if one for notice in one.notices]
        if notes:
            facts["notes"] = "\n".join(notes)
        return facts | {"results": "\n".join(f"{method.title}: {method.folder} ({method.direction.name})"
                                             for method in self.methods),
                        "written": time.strftime("%Y-%m-%d %H:%M")}


def _earlier(folder: Path) -> list[str] | None:
    """The pictures of the comparison in the folder; None where there is none, or its record is damaged."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
        return [str(file) for file in record["files"] if "\0" not in file] if record["kind"] == KIND else None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
