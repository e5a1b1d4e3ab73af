"""The tables of CycleGAN and pix2pix on any dataset of pairs and labels, with one command.

    python benchmarks/paper_tables.py --dataroot ./datasets/toy_maps --out ./paper_tables

Trains every system that a table names, translates the test pairs, scores them, and writes index.html and tables.md. It
may be ended at any time: the same command goes on, and does only what is missing. Flags behind -- go to all trainings.
"""
from __future__ import annotations

import argparse
import math
import shlex
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import TYPE_CHECKING

from common import machine, positive, seconds
from paper_systems import SYSTEMS, TABLES, Table
from table_runs import BUDGETS, Budget, Commands, Place, Run, RunFailed, budget_flags, claim, planned, threads_of

from util.errors import UserError, exit_on
from util.files import write_atomically
from util.notices import say

if TYPE_CHECKING:  # --help answers before the rooms are imported
    from evaluation.scoring_net import ScoringNet

TITLE = "The papers' tables"
STARTS = 15.0  # seconds that the commands of a run take beside training: starting, checking the data, translating


def main(argv: Sequence[str] | None = None) -> None:
    """The command. Exit code 0 when all tables are full, 1 when runs failed, 2 for wrong flags or data, 130 when it was
    told to stop."""
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    with exit_on(UserError):
        failed = make_tables(args, shlex.join(sys.argv[1:] if argv is None else argv))
    sys.exit(1 if failed else 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    first, *more = (__doc__ or "").splitlines()
    result = argparse.ArgumentParser("paper_tables.py", description=first, epilog="\n".join(more),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--dataroot", type=Path, required=True, help="dataset with pairs in train and test, of which "
                        "one side is labels")
    result.add_argument("--out", type=Path, default=Path("paper_tables"), help="folder of everything that is made "
                        "(paper_tables)")
    result.add_argument("--budget", choices=BUDGETS, default="hour", help="how large everything is: quick shows only "
                        "that it runs; hour (the default) fits an hour of two cores; full is the papers'")
    for name in budget_flags():
        kind = str if name == "netG" else positive
        values = ", ".join(f"{budget} {getattr(sizes, name)}" for budget, sizes in BUDGETS.items())
        result.add_argument(f"--{name}", type=kind, help=f"{ABOUT[name]} ({values})")
    result.add_argument("--seeds", type=_seeds, default=[0], metavar="0,1,..", help="each table is made once with "
                        "each; cells show mean ± standard deviation (0)")
    result.add_argument("--only", type=lambda text: text.split(","), default=list(SYSTEMS), metavar="A,B",
                        help=f"systems: {','.join(SYSTEMS)} (all)")
    result.add_argument("--labels", choices=("A", "B"), help="which side is the labels (the one with few colours)")
    result.add_argument("--palette", type=Path, metavar="FILE", help="classes and their colours, a line `name R G B` "
                        "each (the colours that are found)")
    result.add_argument("--feature_weights", default="self", help="of feature_gan: the file of VGG-16's weights, '' "
                        "for torch's cache, or self, a network trained on the data (self)")
    result.add_argument("--jobs", type=positive, default=1, help="trainings at a time; two fit two cores, or one GPU, "
                        "better than one where networks are small (1)")
    result.add_argument("--dry_run", action="store_true", help="only tell what would be done, and how long it takes")
    result.add_argument("more", nargs="*", metavar="-- FLAG", help="flags of all trainings")
    return result


ABOUT = {
    "images": "images that each run is trained with, each as often as it is shown",
    "crop_size": "side in pixels of the images of CycleGAN's tables",
    "pix2pix_size": "of those of pix2pix's tables, 128 or 256",
    "netG": "generator of CycleGAN's tables",
    "ngf": "filters of the generators' first layers",
    "ndf": "filters of the discriminators' first layers",
    "batch_size": "images a step",
    "test_images": "test pairs that are scored, at most",
    "fcn_size": "side in pixels at which the scoring network sees photos",
    "fcn_steps": "its training steps of 8 images",
}


def _seeds(text: str) -> list[int]:
    return list(dict.fromkeys(int(word) for word in text.split(",")))


def make_tables(args: argparse.Namespace, words: str) -> dict[Run, str]:
    """Do what is missing and write the pages; returns why runs failed. words: the command line, for the record."""
    from engine.device import choose_device
    from evaluation.label_pairs import find_labels, open_pairs
    from metrics.palette import read_palette

    begin = time.monotonic()
    tables, budget = chosen_tables(args.only), chosen_budget(args)
    device = choose_device("0", asked_for=False)
    pairs = open_pairs(str(args.dataroot), "train")
    say(pairs.notices)
    labels, palette = find_labels(pairs, args.labels, read_palette(args.palette) if args.palette else None)
    place = Place(args.out, args.dataroot, labels, len(pairs), budget, args.feature_weights, tuple(args.more))
    runs = planned(tables, args.seeds)
    print(f"labels: side {labels}, {len(palette.names)} classes, {len(pairs)} pairs; everything goes to {args.out}")
    if not args.dry_run:
        claim(place, pairs.fingerprint)
    print(plan_text(place, runs, step_seconds(place, runs, args.jobs), args.jobs), flush=True)
    if args.dry_run:
        return {}

    from table_scores import network, write_unpaired

    write_unpaired(place.unpaired, pairs)
    scoring = network(place, pairs, palette, device)
    left = sum(place.state(run) != "done" for run in runs)
    failed = do_all(place, runs, scoring, args.jobs)
    facts = {
        "data": f"{args.dataroot}: {len(pairs)} training pairs, labels are side {labels}, {len(palette.names)} classes",
        "budget": budget_told(place), "seeds": ", ".join(map(str, args.seeds)),
        "machine": ", ".join(machine(device).values()),
        "time": f"{told(time.monotonic() - begin)} for {left} of {len(runs)} runs in the last call, {args.jobs} at a "
                "time",
        "command": f"python benchmarks/paper_tables.py {words}"}
    if failed:
        facts["failed"] = "; ".join(f"{run.name} {reason.splitlines()[0]}" for run, reason in failed.items())
    print(f"page: {write_pages(place, tables, runs, facts)}")
    return failed


def chosen_tables(only: Sequence[str]) -> list[Table]:
    """The tables, with the rows of these systems. UserError for a system that is not there."""
    if unknown := [name for name in only if name not in SYSTEMS]:
        raise UserError(f"--only names {unknown[0]!r}, which is no system; expected some of {', '.join(SYSTEMS)}")
    tables = [replace(table, rows=tuple(row for row in table.rows if row.system in only)) for table in TABLES]
    return [table for table in tables if table.rows]


def chosen_budget(args: argparse.Namespace) -> Budget:
    """That of --budget, with what was given. UserError for a size that the networks cannot take."""
    given = {name: value for name in budget_flags() if (value := getattr(args, name)) is not None}
    budget = replace(BUDGETS[args.budget], **given)
    if budget.pix2pix_size not in (128, 256):
        raise UserError(f"--pix2pix_size {budget.pix2pix_size} has no U-Net beside an encoder-decoder; give 128 or 256")
    return budget


def step_seconds(place: Place, runs: Iterable[Run], jobs: int) -> dict[str, float]:
    """How long a training step of each system takes that is not done everywhere, measured now, in one of so many jobs.
    """
    import torch
    from step import stepper

    from engine.device import choose_device

    cores = torch.get_num_threads()
    torch.set_num_threads(threads_of(jobs))
    device, times = choose_device("0", asked_for=False), dict[str, float]()
    count = 10 if device.type == "cuda" else 1
    for run in runs:
        if run.system.name not in times and place.state(run) != "done":
            step = stepper(shlex.join(place.work(run)), device, count)
            seconds(step)
            times[run.system.name] = min(seconds(step) for _ in range(5)) / count  # other work only slows
    torch.set_num_threads(cores)
    return times


def plan_text(place: Place, runs: Sequence[Run], times: Mapping[str, float], jobs: int) -> str:
    """A line for each run, and how long all takes that is not done. times: seconds a step, by system; jobs: at a time.
    """
    epochs = math.ceil(place.budget.images / place.pairs)
    steps = epochs * math.ceil(place.pairs / place.budget.batch_size)
    lines, total = [], 0.0
    for run in runs:
        state, estimate = place.state(run), ""
        if state != "done":
            took = STARTS + steps * times[run.system.name]
            total, estimate = total + took, f", about {told(took)}"
        lines.append(f"  {run.name:<36} {' and '.join(run.tasks):<32} {state}{estimate}")
    left = sum(place.state(run) != "done" for run in runs)
    return "\n".join([f"{len(runs)} runs ({epochs} times through the pairs), {left} left:", *lines,
                      f"about {told(total / jobs)} at the speed of now, the scoring network not counted"])


def told(time: float) -> str:
    """Seconds in words: '45 s', '12 min', '1 h 05 min'."""
    if time < 90:
        return f"{time:.0f} s"
    minutes = round(time / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def do_all(place: Place, runs: Sequence[Run], scoring: ScoringNet, jobs: int) -> dict[Run, str]:
    """Train, translate and score what is not done, so many runs at a time. Returns why runs failed; the others are not
    touched by that."""
    failed, commands, scores_one = dict[Run, str](), Commands(jobs), Lock()
    left = [run for run in runs if place.state(run) != "done"]

    def do(run: Run) -> None:
        begin = time.monotonic()
        print(f"{run.name} begins", flush=True)
        try:
            place.do(run, commands)
            with scores_one:
                said = _scored(place, run, scoring)
        except (RunFailed, UserError) as error:
            failed[run] = said = f"failed: {error}"
        print(f"{run.name}: {said} ({told(time.monotonic() - begin)})", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in [pool.submit(do, run) for run in left]:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            commands.stop()
            raise
    return failed


def _scored(place: Place, run: Run, scoring: ScoringNet) -> str:
    """The scores of a run in words."""
    from table_scores import score

    return "; ".join(f"{task} {' / '.join(f'{value:.3f}' for value in one.values)}"
                     for task, one in score(place, run, scoring).items())


def budget_told(place: Place) -> str:
    """In words."""
    budget = place.budget
    side = budget.pix2pix_size
    return (f"{budget.images} training images a run, batches of {budget.batch_size}; ngf {budget.ngf}, ndf "
            f"{budget.ndf}; CycleGAN's tables: {budget.netG} at {budget.crop_size} pixels; pix2pix's tables: "
            f"unet_{side} and encoder_decoder_{side} at {side} pixels; at most {budget.test_images} test pairs, scored "
            f"by a network of {budget.fcn_steps} steps at {budget.fcn_size} pixels"
            + (f"; further flags: {shlex.join(place.more)}" if place.more else ""))


def write_pages(place: Place, tables: Sequence[Table], runs: Sequence[Run], facts: dict[str, str]) -> Path:
    """index.html, tables.md and the strips; returns the page. Raises OSError."""
    from table_scores import known_scores
    from table_sheets import markdown, sheet, write_strip

    from pages.tables_page import tables_page

    found, sheets = known_scores(place, runs), []
    for table in tables:
        picture = f"images/{table.key}.png"
        there = write_strip(place.out / picture, table, place, found)
        sheets.append(replace(sheet(table, found), picture=picture if there else "", across=len(table.rows) + 2))
    trainings = {run.name: shlex.join(place.training(run)) for run in runs}
    page = place.out / "index.html"
    write_atomically(page, tables_page(TITLE, facts, sheets, trainings))
    write_atomically(place.out / "tables.md", markdown(TITLE, facts, sheets, trainings))
    return page


if __name__ == "__main__":
    main()
