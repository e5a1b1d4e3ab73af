"""Translate a folder of images with test.py, whole: one by one, in threads, in batches; or beside the classic code.

    python benchmarks/infer.py --size 256
    python benchmarks/infer.py --commands --images 30 --rounds 3

"plain" is ours too, and writes each picture before the next image is translated. All contestants run the same untrained
generator, from reading the options to writing the page. --commands: whole commands with their start, that of the
classic code (classic.py) and test.py, in fp32.
"""
import os
import runpy
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from common import machine, parser, positive, race, ratio, report  # first: it finds the project

from engine.precision import has_bf16_units
from networks.generators import GENERATORS
from pages.picture_writer import PictureWriter
from pages.pictures import save_picture
from runs.weight_files import save_nets

ROOT = Path(__file__).parents[1]
translate = runpy.run_path(str(ROOT / "test.py"))["main"]  # `import test` is Python's own suite


def main(argv: list[str] | None = None) -> None:
    """Print seconds, images/s and how many times faster than the first contestant."""
    flags = parser(__doc__.splitlines()[0], rounds=3)
    flags.add_argument("--images", type=positive, default=100, help="how many are translated")
    flags.add_argument("--size", type=int, default=256, help="their side in pixels")
    flags.add_argument("--ngf", type=int, default=64, help="width of the generator, resnet_9blocks")
    flags.add_argument("--batch_size", type=positive, default=8, help="of the contestants that translate in batches")
    flags.add_argument("--commands", action="store_true", help="whole commands, beside that of the classic code")
    args = flags.parse_args(argv)
    if args.quick:
        args.images, args.size, args.ngf, args.rounds = 3, 32, 4, 1
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        line = prepare(Path(folder), args, device)
        contestants = commands(Path(folder), line, args) if args.commands else in_this_process(line, args, device)
        # A round before: imports, and kernels that are chosen at first use.
        times = race(contestants, args.rounds, warmup=0 if args.commands else 1)
    middle = {name: median(values) for name, values in times.items()}
    rows = [{"contestant": name, "seconds": middle[name], "images/s": args.images / middle[name],
             "times faster": ratio(times, name, next(iter(contestants)))} for name in contestants]
    report(f"test.py, {args.images} images of {args.size}x{args.size}", machine(device), rows, args.json)


def in_this_process(line: list[str], args: Namespace, device: torch.device) -> dict[str, Callable[[], None]]:
    """Contestants that have imported everything."""
    batches = f"batch {args.batch_size}"
    contestants: dict[str, Callable[[], None]] = {
        "plain": partial(run_plain, line), "batch 1": partial(run, line),
        batches: partial(run, [*line, "--batch_size", str(args.batch_size)])}
    if has_bf16_units(device):
        contestants[f"{batches}, bf16"] = partial(
            run, [*line, "--batch_size", str(args.batch_size), "--precision", "bf16"])
    return contestants


def commands(folder: Path, line: list[str], args: Namespace) -> dict[str, Callable[[], None]]:
    """Contestants that begin with the start of Python."""
    words: dict[str, list[str | Path]] = {
        "classic": [Path(__file__).with_name("classic.py"), folder / "toy" / "testA",
                    folder / "checkpoints" / "run" / "latest_net_G.pth", folder / "classic",
                    str(args.size), str(args.images)],
        "test.py": [ROOT / "test.py", *line]}

    def start(command: Sequence[str | Path]) -> None:
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {name: partial(start, command) for name, command in words.items()}


def prepare(folder: Path, args: Namespace, device: torch.device) -> list[str]:
    """A folder of images (every second town gives a photo) and a run with an untrained generator; the command line."""
    subprocess.run([sys.executable, ROOT / "datasets/toy_maps.py", "--size", str(args.size), "--n_train", "2",
                    "--n_test", str(2 * args.images), "--out", folder / "toy"], check=True, stdout=subprocess.DEVNULL)
    net = GENERATORS["resnet_9blocks"].build(3, 3, args.ngf, "instance", False)
    save_nets(folder / "checkpoints" / "run", "latest", {"G": net})
    gpu_ids = "0" if device.type == "cuda" else "-1"
    return (f"--dataroot {folder}/toy/testA --checkpoints_dir {folder}/checkpoints --results_dir {folder}/results "
            f"--name run --crop_size {args.size} --num_test {args.images} --gpu_ids {gpu_ids}").split()


def run(line: list[str]) -> None:
    """test.py, silent."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        translate(line)


def run_plain(line: list[str]) -> None:
    """The same, each picture written where it is asked for."""
    with patch.object(PictureWriter, "save", staticmethod(save_picture)):
        run(line)


if __name__ == "__main__":
    main()
