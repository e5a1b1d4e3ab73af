"""How many images a second the data side alone gives, by --cache, --fast_decode and --num_threads.

    python benchmarks/loader.py --json loader.json
"""
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from common import machine, parser, race, ratio, report
from PIL import Image

from data.loader import Loader, open_loader
from options.command_line import parse
from train import COMMAND

CONTESTANTS = {  # name in the table -> flags
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
    args = flags.parse_args(argv)
    if args.quick:
        args.images, args.side, args.rounds, args.num_threads = 4, 300, 1, [0, 1]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = Path(tempfile.mkdtemp())
    try:
        make_images(folder, args.images, args.side, args.dataset_mode)
        rows = [row for threads in args.num_threads for row in measure(folder, args, threads, device)]
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
    loaders = {name: open_images(folder, args.dataset_mode, f"{line} --num_threads {threads}", device)
               for name, line in CONTESTANTS.items()}
    contestants = {name: epochs(loader, device) for name, loader in loaders.items()}
    times = race(contestants, args.rounds, warmup=2)
    images = args.images * (2 if args.dataset_mode == "unaligned" else 1)
    return [{"contestant": name, "num_threads": threads, "images/s": images / float(np.median(times[name])),
             "times plain": ratio(times, name)} for name in contestants]


def open_images(folder: Path, mode: str, line: str, device: torch.device) -> Loader:
    """The loader that training would use."""
    root = folder / "images" if mode == "single" else folder
    opt = parse(COMMAND, f"--dataroot {root} --dataset_mode {mode} --checkpoints_dir {folder} {line}".split())
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
