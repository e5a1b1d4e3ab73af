"""How many images a second the data side alone gives, by --cache, --fast_decode and --num_threads.

    python benchmarks/loader.py --json loader.json
    python benchmarks/loader.py --against ../another_checkout --num_threads 0 --rounds 15
"""
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import classic
import numpy as np
import torch
from common import CHECKOUT, machine, parser, race, ratio, report
from PIL import Image

from data.loader import Loader, open_loader
from options.command_line import parse
from train import COMMAND

CONTESTANTS = {  # name in the table -> flags
    "classic": "",  # not ours
    "plain": "",
    "fast decode": "--fast_decode",
    "cache ram": "--cache ram",
    "cache disk": "--cache disk",
    "cache device": "--cache device",
}


def main(argv: list[str] | None = None) -> None:
    """The command. Each contestant is raced in its second and later epochs, when caches are full."""
    flags = parser(__doc__.splitlines()[0], rounds=5)
    flags.add_argument("--images", type=int, default=64, help="how many JPEGs are made")
    flags.add_argument("--side", type=int, default=600, help="their side in pixels")
    flags.add_argument("--num_threads", type=int, nargs="+", default=[0, 1, 2], help="worker processes")
    flags.add_argument("--dataset_mode", choices=("single", "unaligned"), default="single",
                       help="one or two images a sample")
    flags.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=[*CONTESTANTS], help="which ones")
    flags.add_argument("--against", type=Path, help="a folder with another checkout of this project, whose loader runs "
                       "in turns with this one's, each in a process of its own")
    flags.add_argument("--serve", help="run an epoch of the loader of these options for each line of the input: what "
                       "--against starts")
    args = flags.parse_args(argv)
    if args.serve:
        serve(args.serve)
        return
    if args.quick:
        args.images, args.side, args.rounds, args.num_threads = 4, 300, 1, [0] if args.against else [0, 1]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = Path(tempfile.mkdtemp())
    try:
        make_images(folder, args.images, args.side, args.dataset_mode)
        compare = measure if args.against is None else measure_checkouts
        rows = [row for threads in args.num_threads for row in compare(folder, args, threads, device)]
    finally:
        shutil.rmtree(folder)
    title = f"Loading {args.side}x{args.side} JPEGs, load_size 286, crop_size 256, {args.dataset_mode}"
    report(title, machine(device), rows, args.json)


def make_images(folder: Path, count: int, side: int, mode: str) -> None:
    """JPEGs with structure and grain, which take as long to decode as photos do."""
    rng = np.random.default_rng(0)
    for below in ("images",) if mode == "single" else ("trainA", "trainB"):
        (folder / below).mkdir()
        for number in range(count):
            shapes = Image.fromarray(rng.integers(0, 256, (side // 10, side // 10, 3), np.uint8)).resize((side, side))
            grain = np.asarray(shapes, int) + rng.integers(-12, 13, (side, side, 3))
            Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(folder / below / f"{number}.jpg", quality=90)


def measure(folder: Path, args: Namespace, threads: int, device: torch.device) -> list[dict[str, object]]:
    """A row of the table for each contestant with that many workers."""
    shared = f"{options(folder, args.dataset_mode)} --num_threads {threads}"
    contestants = {name: classic_epochs(folder, args.dataset_mode, threads, device) if name == "classic" else
                   epochs(open_images(f"{shared} {line}", device), device)
                   for name, line in CONTESTANTS.items() if name in args.contestants}
    times = race(contestants, args.rounds, warmup=2)
    return [{"contestant": name, "num_threads": threads, "images/s": images(args) / float(np.median(times[name])),
             f"times {args.contestants[0]}": ratio(times, name, args.contestants[0])} for name in contestants]


def measure_checkouts(folder: Path, args: Namespace, threads: int, device: torch.device) -> list[dict[str, object]]:
    """Two rows for each contestant: this checkout, and how many times as fast as the other it is."""
    rows: list[dict[str, object]] = []
    for name in args.contestants:
        if name == "classic":
            continue
        line = CONTESTANTS[name]
        with ExitStack() as stack:
            checkouts = {
                checkout: stack.enter_context(Served(root, f"{options(folder, args.dataset_mode)} {line} "
                                                           f"--num_threads {threads}"))
                for checkout, root in (("this", Path(__file__).parents[1]), ("other", args.against))}
            times = race(checkouts, args.rounds, warmup=2)
        rows += [{"contestant": name, "num_threads": threads, "checkout": checkout,
                  "images/s": images(args) / float(np.median(times[checkout])),
                  "times other": ratio(times, checkout, "other")} for checkout in checkouts]
        shutil.rmtree(folder / "image_cache", ignore_errors=True)
    return rows


class Served:
    """The loader of a checkout in a process of its own; called, it runs an epoch."""

    def __init__(self, checkout: Path, line: str):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {CHECKOUT: str(checkout.absolute())})

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def __call__(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("next\n")
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise SystemExit("a checkout's loader has ended; what it said stands above")


def serve(line: str) -> None:
    """Runs an epoch for each line of the standard input, and answers it with one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = epochs(open_images(line, device), device)
    for _ in sys.stdin:
        run()
        print("done", flush=True)


def classic_epochs(folder: Path, mode: str, threads: int, device: torch.device) -> Callable[[], None]:
    """Runs an epoch as the classic code loads it."""
    below = ("images",) if mode == "single" else ("trainA", "trainB")
    batches = classic.loader([folder / name for name in below], threads)

    def run() -> None:
        for batch in batches:
            batch["A"].to(device)
    return run


def images(args: Namespace) -> int:
    """How many images an epoch has."""
    return args.images * (2 if args.dataset_mode == "unaligned" else 1)


def options(folder: Path, mode: str) -> str:
    """The options of train.py that all contestants have."""
    root = folder / "images" if mode == "single" else folder
    return f"--dataroot {root} --dataset_mode {mode} --checkpoints_dir {folder}"


def open_images(line: str, device: torch.device) -> Loader:
    """The loader that training would use with these options."""
    opt = parse(COMMAND, line.split())
    with redirect_stdout(sys.stderr):  # its notices
        return open_loader(opt, ("A",), size_multiple=4, min_size=8, augment=True, device=device)


def epochs(loader: Loader, device: torch.device) -> Callable[[], None]:
    """Runs the next epoch, up to the batches on the device."""
    number = iter(range(1, 10**6))

    def run() -> None:
        for batch in loader.epoch(next(number)):
            batch["A"].to(device, non_blocking=True)
    return run


if __name__ == "__main__":
    main()
