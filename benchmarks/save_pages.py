"""Write a page of results: its pictures one by one and in threads, its HTML, and all of it.

    python benchmarks/save_pages.py --rows 2000

Each row has an aerial photo and two street maps of the toy set; nothing is translated.
"""
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from common import machine, parser, positive, race, ratio, report  # first: it finds the project
from PIL import Image

from pages.picture_writer import PictureWriter
from pages.pictures import Save, save_picture, save_visuals
from pages.results_page import ResultsPage

ROOT = Path(__file__).parents[1]
LABELS = {"real_A": "A", "fake_B": "B", "real_B": "B"}


def main(argv: list[str] | None = None) -> None:
    """Print seconds, milliseconds a row, and how many times faster than one by one."""
    flags = parser(__doc__.splitlines()[0], rounds=3)
    flags.add_argument("--rows", type=positive, default=2000, help="how many")
    flags.add_argument("--size", type=int, default=256, help="side of a picture in pixels")
    args = flags.parse_args(argv)
    if args.quick:
        args.rows, args.size, args.rounds = 3, 32, 1
    with tempfile.TemporaryDirectory() as folder:
        draw = partial(write_pictures, Path(folder), towns(Path(folder, "toy"), args.size), args.rows)
        contestants: dict[str, Callable[[], None]] = {
            "pictures, one by one": partial(draw, save_picture),
            "pictures, in threads": partial(in_threads, draw),
            "html": partial(write_html, Path(folder), args.rows),
            "page: pictures in threads, html": partial(write_all, draw, Path(folder), args.rows),
        }
        times = race(contestants, args.rounds, warmup=0)
    rows = [{"what": name, "seconds": median(times[name]), "ms a row": 1e3 * median(times[name]) / args.rows,
             "times faster": ratio(times, name, "pictures, one by one")} for name in contestants]
    report(f"a page of {args.rows} rows, {len(LABELS)} pictures of {args.size}x{args.size} each",
           machine(torch.device("cpu")), rows, args.json)


def towns(folder: Path, size: int) -> list[dict[str, np.ndarray]]:
    """The pictures of ten rows: half of the towns are photos only, half maps only."""
    subprocess.run([sys.executable, ROOT / "datasets/toy_maps.py", "--size", str(size), "--n_train", "2",
                    "--n_test", "20", "--out", folder], check=True, stdout=subprocess.DEVNULL)
    read = {side: [np.array(Image.open(path)) for path in sorted((folder / f"test{side}").iterdir())] for side in "AB"}
    return [{label: read[side][number] for label, side in LABELS.items()} for number in range(10)]


def write_pictures(folder: Path, samples: list[dict[str, np.ndarray]], rows: int, save: Save) -> None:
    """The pictures of all rows, which repeat the samples."""
    for row in range(rows):
        save_visuals(folder / "images", str(row), samples[row % len(samples)], save=save)


def in_threads(draw: partial) -> None:
    """The same as test.py does it."""
    with PictureWriter() as writer:
        draw(writer.save)


def write_html(folder: Path, rows: int) -> None:
    """index.html alone."""
    page = ResultsPage(folder, "many rows", {"model": "none"}, 256)
    for row in range(rows):
        page.add_row(str(row), [(label, f"{row}_{label}.png") for label in LABELS])
    page.save()


def write_all(draw: partial, folder: Path, rows: int) -> None:
    """Both."""
    in_threads(draw)
    write_html(folder, rows)


if __name__ == "__main__":
    main()
