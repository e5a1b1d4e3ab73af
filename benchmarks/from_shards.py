"""Images a second from shards against the same files in a folder, warm, and cold: not in the memory of the system.

    python benchmarks/from_shards.py --json shards.json
"""
import os
import shutil
import tarfile
import tempfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from common import machine, parser, positive, race, ratio, report
from loader import epochs, make_images, open_images

WAYS = ("folder", "shards")


def main(argv: list[str] | None = None) -> None:
    """The command: a row for each way, cold and warm, with each number of workers."""
    flags = parser(__doc__.splitlines()[0], rounds=7)
    flags.add_argument("--images", type=positive, default=2000, help="how many JPEGs are made")
    flags.add_argument("--side", type=positive, default=128, help="their side in pixels")
    flags.add_argument("--each", type=positive, default=250, help="images a shard")
    flags.add_argument("--num_threads", type=int, nargs="+", default=[0, 2], help="worker processes")
    flags.add_argument("--states", nargs="+", choices=("cold", "warm"), default=["cold", "warm"], help="which ones")
    args = flags.parse_args(argv)
    if args.quick:
        args.images, args.side, args.each, args.rounds, args.num_threads = 6, 40, 3, 1, [0]
    folder = Path(tempfile.mkdtemp())
    try:
        make_images(folder, args.images, args.side, "single")
        shards = pack(folder / "images", folder / "shards", args.each)
        os.sync()  # what is not on the disk yet cannot be forgotten
        size = size_of(folder / "images") / 1e6
        sizes = f"{args.images} JPEGs of {args.side}x{args.side}, {size:.0f} MB, {shards} shards"
        rows = [row for threads in args.num_threads for state in args.states
                for row in measure(folder, args, threads, state)]
    finally:
        shutil.rmtree(folder)
    report(f"Loading {sizes}", machine(torch.device("cpu")), rows, args.json)


def pack(images: Path, shards: Path, each: int) -> int:
    """The images in shards, in the order of their names; how many shards."""
    shards.mkdir()
    files = sorted(images.iterdir(), key=lambda path: int(path.stem))
    begins = range(0, len(files), each)
    for number, begin in enumerate(begins):
        with tarfile.open(shards / f"train-{number:06}.tar", "w") as tar:
            for path in files[begin:begin + each]:
                tar.add(path, path.name)
    return len(begins)


def measure(folder: Path, args: Namespace, threads: int, state: str) -> list[dict[str, object]]:
    """Both ways in turn. Each epoch is a new one of the same loader, whose workers are there already."""
    prepare = forget if state == "cold" else lambda folder: None
    roots = {"folder": folder / "images", "shards": folder / "shards"}
    loaders = {way: open_images(f"--dataroot {root} --dataset_mode single --preprocess none --num_threads {threads} "
                                f"--checkpoints_dir {folder}", torch.device("cpu")) for way, root in roots.items()}
    runs = {way: epochs(loader, torch.device("cpu")) for way, loader in loaders.items()}
    times = race(runs, args.rounds, warmup=2, before=lambda: prepare(folder))
    return [{"files": way, "state": state, "num_threads": threads,
             "images/s": args.images / float(np.median(times[way])), "times folder": ratio(times, way, "folder")}
            for way in WAYS]


def forget(folder: Path) -> None:
    """Have the system forget what the files hold, but not where they lie, which favours many files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    main()
