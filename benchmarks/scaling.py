"""How cost grows with image size, width, batch, images and processes; and, on paper, what a large training takes.

    python benchmarks/scaling.py --processes 1 2

Processes are started with torchrun: on GPUs one each, else all on the CPU, which they then share.
"""
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from common import machine, parser, race, report, seconds
from PIL import Image
from step import stepper

from data.loader import open_loader
from engine.device import choose_device
from engine.processes import joined_processes
from options.command_line import parse
from train import COMMAND as TRAIN
from train import make_engine
from util.torchrun import rank, world_size

BASE = {"crop_size": 128, "ngf": 32, "batch_size": 1}
QUICK = {"crop_size": 32, "ngf": 4}
AXES = {"crop_size": (64, 128, 256), "ngf": (16, 32, 64), "batch_size": (1, 2, 4)}
LARGE = {"crop_size": (128, 256, 512, 1024), "ngf": (32, 64, 128), "batch_size": (1, 2, 4, 8, 16)}  # on a GPU
MODEL = "--model cycle_gan --netG resnet_6blocks --ndf 32 --preprocess crop"


def main() -> None:
    """Prints a table for each axis with its exponent, one for processes, and the extrapolation with its formulas."""
    flags = parser(__doc__.splitlines()[0], rounds=5)
    flags.add_argument("--processes", type=int, nargs="*", default=[1, 2],
                       help="numbers of processes to try, on this machine")
    flags.add_argument("--images", type=float, default=1e6, help="of the training on paper: images an epoch")
    flags.add_argument("--epochs", type=int, default=10, help="its epochs")
    flags.add_argument("--bandwidth", type=float, default=10e9, help="bytes a second between its machines")
    flags.add_argument("--of", help="only that file: one of several processes, started by this script")
    args = flags.parse_args()
    BASE.update(QUICK if args.quick else {})
    if args.of:
        measure_together(Path(args.of), args.rounds)
        return
    device = choose_device("0", asked_for=False)
    where, rounds = machine(device), 1 if args.quick else args.rounds
    axes = {"crop_size": (32, 64)} if args.quick else LARGE if device.type == "cuda" else AXES
    rows = [row for axis, values in axes.items() for row in measure_axis(axis, values, rounds)]
    report("One CycleGAN step, one thing changed at a time", where, rows, args.json)
    counts = (20, 40) if args.quick else (250, 1000, 4000)
    report("Before the first step: every file is looked at", where, measure_images(counts),
           args.json and args.json.with_stem(f"{args.json.stem}_images"))
    together_rows = measure_processes([1] if args.quick else args.processes, rounds, args.quick)
    report("Images a second of several processes, the same batch each", where, together_rows,
           args.json and args.json.with_stem(f"{args.json.stem}_processes"))
    print(on_paper(1 / together_rows[0]["images/s"], weights(), args.images, args.epochs, args.bandwidth))


def line(**changed: int) -> str:
    """The flags of a step with the base's sizes, some of them changed."""
    return f"{MODEL} " + " ".join(f"--{name} {value}" for name, value in (BASE | changed).items())


def measure_axis(axis: str, values: tuple[int, ...], rounds: int) -> list[dict[str, object]]:
    """A row for each value: ms a step, and how it grew since the value before as a power of the value."""
    device = choose_device("0", asked_for=False)
    times = race({str(value): stepper(line(**{axis: value}), device, 1) for value in values},
                 rounds, warmup=6 if device.type == "cuda" else 1)
    rows: list[dict[str, object]] = []
    before = None
    for value in values:
        step = statistics.median(times[str(value)])
        grown = math.log(step / before[1]) / math.log(value / before[0]) if before else ""
        rows.append({"axis": axis, "value": value, "ms/step": 1e3 * step,
                     "ms/image": 1e3 * step / (value if axis == "batch_size" else 1), "grows as value to the": grown})
        before = value, step
    return rows


def measure_images(counts: tuple[int, ...]) -> list[dict[str, object]]:
    """A row for each number of images in a dataset: seconds until its loader is ready. An epoch's steps grow as it."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/trainA")
        for count in counts:
            for number in range(count):
                Image.new("RGB", (256, 256), (number % 256, 0, 0)).save(f"{folder}/trainA/{number}.jpg")
            opt = parse(TRAIN, f"--dataroot {folder}/trainA --dataset_mode single --model test".split())
            taken = seconds(partial(open_loader, opt, ("A",), 4, 8, augment=True))
            rows.append({"images": count, "seconds": taken, "ms/image": 1e3 * taken / count})
    return rows


def measure_processes(counts: list[int], rounds: int, quick: bool) -> list[dict[str, float]]:
    """A row for each number of processes, each of which has the base's batch."""
    rows: list[dict[str, float]] = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "seconds.json")
            threads = str(max(1, (os.cpu_count() or 1) // count))
            subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone",
                            "--nproc_per_node", str(count), __file__, "--of", str(out), "--rounds", str(rounds),
                            *["--quick"] * quick], check=True, env=os.environ | {"OMP_NUM_THREADS": threads})
            step = json.loads(out.read_text())
        rate = count * BASE["batch_size"] / step
        rows.append({"processes": count, "ms/step": 1e3 * step, "images/s": rate,
                     "share of ideal": rate / (count * rows[0]["images/s"] / counts[0]) if rows else 1.0})
    return rows


def measure_together(out: Path, rounds: int) -> None:
    """Under torchrun: the median seconds of a step, gradients averaged over the processes; process 0 writes it."""
    with joined_processes():
        step = stepper(line(), choose_device("0", asked_for=False), 1)
        for _ in range(3):
            step()
        median = statistics.median(seconds(step) for _ in range(rounds))
        if rank() == 0:
            print(f"{world_size()} processes: {1e3 * median:.1f} ms a step")
            out.write_text(json.dumps(median))


def weights() -> int:
    """How many parameters the base's networks have, discriminators included."""
    engine = make_engine(parse(TRAIN, f"--dataroot none {line()}".split()), torch.device("cpu"))
    return sum(parameter.numel() for parameter in engine.model.nets.parameters())


def on_paper(per_image: float, parameters: int, images: float, epochs: int, bandwidth: float) -> str:
    """What a training would take on N machines, from the measured seconds per image; assumptions shown."""
    text = ["",
            f"On paper: {images:.0f} images, {epochs} epochs, {parameters / 1e6:.1f} M parameters (the networks above)",
            "  compute(N) = epochs * images * seconds_per_image / N",
            "  exchange(N) = epochs * images / N * 2 * (N - 1) / N * 4 bytes * parameters / bandwidth",
            "                (ring all-reduce, batch 1, nothing hidden behind the computing; batch b divides it by b)",
            f"  seconds_per_image = {per_image:.3g} (measured above), bandwidth = {bandwidth:.3g} bytes/s", "",
            "| machines | compute, hours | exchange, hours | share of ideal |", "| --- | --- | --- | --- |"]
    for machines in (1, 2, 8, 64, 512):
        compute = epochs * images * per_image / machines / 3600
        exchange = epochs * images / machines * 2 * (machines - 1) / machines * 4 * parameters / bandwidth / 3600
        text.append(f"| {machines} | {compute:.3g} | {exchange:.3g} | {compute / (compute + exchange):.2f} |")
    return "\n".join(text)


if __name__ == "__main__":
    main()
