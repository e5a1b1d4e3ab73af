"""Explore a page of results in Chromium: how long until its first paint, and until each choice is seen.

    python benchmarks/browse_results.py --rows 2000

Needs selenium, chromium and chromedriver. Pictures are small, and of one colour: nothing is translated.
"""
import random
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch
from common import machine, parser, positive, report  # first: it finds the project
from PIL import Image

from pages.results_folder import Column, Results, add_numbers, write_folder

LABELS = ["real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B"]
METRICS = ["psnr", "ssim", "mae", "lpips"]
INPUT = "{0}.dispatchEvent(new Event('input', {{ bubbles: true }}))"
CHOICES = {  # in this order, each on top of those before
    "sort by a metric": "sort.value = 'metric psnr'; " + INPUT.format("sort"),
    "sort by name": "sort.value = 'name'; " + INPUT.format("sort"),
    "filter": "filter.value = '7'; " + INPUT.format("filter"),
    "filter no more": "filter.value = ''; " + INPUT.format("filter"),
    "width": "width.value = 128; " + INPUT.format("width"),
    "slider": "view.value = 'slider'; " + INPUT.format("view"),
    "side by side": "view.value = 'beside'; " + INPUT.format("view"),
    "hide a column": "boxes('picture')[2].click()",
    "zoom": "enlarge(rows[1])",
    "next row": "step(1)",
}
TIMED = """
    const start = performance.now();
    {choice};
    return new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now() - start))));"""
PAINT = """
    return new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime))
                         .observe({ type: 'paint', buffered: true }));"""
READY = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def main(argv: list[str] | None = None) -> None:
    """Print milliseconds: medians over rounds, each of which loads the page anew."""
    flags = parser(__doc__.splitlines()[0], rounds=5)
    flags.add_argument("--rows", type=positive, default=2000, help="how many")
    args = flags.parse_args(argv)
    if args.quick:
        args.rows, args.rounds = 3, 1
    with tempfile.TemporaryDirectory() as folder:
        page = write(Path(folder, "results"), args.rows)
        driver = browser(Path(folder, "profile"))
        try:
            times = [browse(driver, page) for _ in range(args.rounds)]
        finally:
            driver.quit()
    rows = [{"what": what, "ms": median(times_of[what] for times_of in times)} for what in times[0]]
    title = f"a page of {args.rows} rows, {len(LABELS)} pictures and {len(METRICS)} numbers each, in Chromium"
    report(title, machine(torch.device("cpu")), rows, args.json)


def write(folder: Path, rows: int) -> Path:
    """The page; all rows show the pictures of the first."""
    names, random_number = [f"image {row}" for row in range(rows)], random.Random(0).random
    for number, label in enumerate(LABELS):
        first = folder / "images" / f"{names[0]}_{label}.png"
        first.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (256, 256), (40 * number, 99, 99)).save(first)
        for name in names[1:]:
            first.with_name(f"{name}_{label}.png").hardlink_to(first)
    write_folder(folder, Results(LABELS, names, names, "many rows", {"model": "none"}, 256))
    return add_numbers(folder, {metric: Column("higher", "0.5") for metric in METRICS},
                       {name: {metric: random_number() for metric in METRICS} for name in names})


def browser(profile: Path) -> Any:
    """A window of 1280x900 without a display."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("headless", "no-sandbox", "disable-gpu", "window-size=1280,900", f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


def browse(driver: Any, page: Path) -> dict[str, float]:
    """Milliseconds from the request to the first paint and to the running script, then of each choice to its paint."""
    driver.get("about:blank")
    driver.get(page.as_uri())
    times = {"first paint": driver.execute_script(PAINT), "all loaded": driver.execute_script(READY)}
    return times | {what: driver.execute_script(TIMED.format(choice=choice)) for what, choice in CHOICES.items()}


if __name__ == "__main__":
    main()
