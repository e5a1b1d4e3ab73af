"""Measure results against the known truth: python evaluate.py results/maps/test_latest

Reads the pictures that test.py wrote for pairs (--dataset_mode aligned), not the networks.
"""
import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from util.errors import UserError, exit_on
from util.files import write_atomically

COMMANDS = {  # of evaluation/NAME_command.py, each with a main(argv)
    "compare": "one page and one picture of the same inputs through several runs",
    "fcn": "score generated photos by a segmentation network: the FCN score of the papers",
    "study": "a page that asks people which picture is real, and the score of their answers",
}


@dataclass(frozen=True)
class Row:
    """One direction of one result folder; errors are mean absolute differences in gray levels, 0 to 255."""

    result: str
    direction: str
    images: int
    error: float
    copy_error: float  # of answering with the input
    mean_error: float  # of answering with the mean image of the target domain

    @property
    def share(self) -> str:
        """The error as a share of the better of the two simple answers; '-' where that is perfect (a single image)."""
        better = min(self.copy_error, self.mean_error)
        return f"{self.error / better:.0%}" if better else "-"


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after measuring, 2 when a folder holds no results of pairs."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] and argv[0] in COMMANDS:
        importlib.import_module(f"evaluation.{argv[0]}_command").main(argv[1:])
        return
    parser = argparse.ArgumentParser("evaluate.py", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path,
                        help="result folders of test.py, made with --dataset_mode aligned")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args(argv)
    with exit_on(UserError):
        rows = [row for folder in args.results for row in measure(folder)]
        print(table(rows))
        if args.json:
            write_atomically(args.json, json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def measure(folder: Path) -> list[Row]:
    """A row for each direction that the results in `folder` hold. UserError when they are not results of pairs."""
    try:
        rows_by_name = json.loads((folder / "test_opt.json").read_text(encoding="utf-8"))
        opt = {name: row["value"] for name, row in rows_by_name.items()}
        model, mode, name, way = (str(opt[key]) for key in ("model", "dataset_mode", "name", "direction"))
        shown = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        names, labels = list(shown["names"]), list(shown["labels"])
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise UserError(f"{folder}/test_opt.json or names.json is damaged ({type(error).__name__}: {error}); run "
                        "test.py again") from None
    except OSError as error:
        raise UserError(f"{folder} holds no results (no {Path(error.filename).name}); expected a folder that test.py "
                        "wrote, such as results/NAME/test_latest") from None
    if model == "test":
        raise UserError(f"{folder} was made with --model test, which shows no truth; run test.py with the --model of "
                        "the training and --dataset_mode aligned")
    if mode != "aligned":
        raise UserError(f"{folder} was made with --dataset_mode {mode}, so the truth is not known; "
                        "run test.py on pairs, with --dataset_mode aligned")
    there, back = ("A", "B") if way == "AtoB" else ("B", "A")
    rows = []
    for source, target, direction in (("A", "B", f"{there}->{back}"), ("B", "A", f"{back}->{there}")):
        stems = [f"{folder}/images/{picture}" for picture in names]
        if stems and f"fake_{target}" in labels:
            rows.append(_row(name, direction, stems, source, target))
    if not rows:
        raise UserError(f"{folder}/images holds no fake_B; run test.py again")
    return rows


def _row(result: str, direction: str, stems: list[str], source: str, target: str) -> Row:
    def load(kind: str) -> Iterator[np.ndarray]:
        return (_load(Path(f"{stem}_{kind}.png")) for stem in stems)

    sizes = {truth.shape for truth in load(f"real_{target}")}
    if len(sizes) > 1:
        raise UserError(f"{Path(stems[0]).parent} holds pictures of {len(sizes)} sizes, which have no mean image to "
                        "compare with; run test.py with --preprocess resize_and_crop")
    mean_image = sum(load(f"real_{target}")) / len(stems)
    pairs = zip(load(f"fake_{target}"), load(f"real_{source}"), load(f"real_{target}"), strict=True)
    errors = [[np.abs(answer - truth).mean() for answer in (fake, given, mean_image)] for fake, given, truth in pairs]
    return Row(result, direction, len(stems), *np.mean(errors, axis=0).tolist())


def _load(path: Path) -> np.ndarray:
    try:
        return np.asarray(Image.open(path), np.float64)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); run test.py again") from None


def table(rows: list[Row]) -> str:
    """The rows as text, beside the better simple answer."""
    width = max(len(row.result) for row in rows)
    lines = ["mean absolute error against the truth, in gray levels (0 to 255), of the translation and of two simple "
             "answers:",
             "the input itself, and the mean image of the target domain; share of the better one's error (less is "
             "better)",
             f"{'model':<{width}}  direction  images  translated  copy of input  mean image  share of better"]
    lines += [f"{row.result:<{width}}  {row.direction:<9}  {row.images:>6}  {row.error:>10.2f}  "
              f"{row.copy_error:>13.2f}  {row.mean_error:>10.2f}  {row.share:>15}" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
