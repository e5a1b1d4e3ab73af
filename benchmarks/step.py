"""Training steps against --plain: python benchmarks/step.py

Every variant takes the same batch in turn, on the best device there is; FLOP are counted by torch in the plain step.
Variants differ by one thing each: from plain to fp32 each has one of PARTS more than the one before. On a GPU several
steps are timed at once, as they are computed while the host goes on, and the variants with a recorded step
(--cuda_graph) come as well.
"""
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from common import ceiling, machine, parser, race, ratio, report
from torch.utils.flop_counter import FlopCounterMode

from engine.device import choose_device
from engine.optimizers import Optimizers
from engine.precision import has_bf16_units
from options.command_line import parse
from options.groups import DataOptions
from options.schema import width_and_height
from train import COMMAND, make_engine

WORK = {
    "CycleGAN, resnet_9blocks, 256": "--model cycle_gan --netG resnet_9blocks --crop_size 256",
    "pix2pix, unet_256, 256": "--model pix2pix --netG unet_256 --crop_size 256",
    "CycleGAN, resnet_6blocks, 128": "--model cycle_gan --netG resnet_6blocks --crop_size 128",
}
PARTS = ("merged passes", "fast layers", "layout", "searched algorithms", "fused Adam")
"""What the fast step has beyond --plain, in fp32; algorithms are searched by cudnn."""
USUAL = ("tf32", "none", False)  # torch's own
QUICK = {"CycleGAN, tiny": "--model cycle_gan --netG resnet_6blocks --ngf 4 --ndf 4 --crop_size 32"}


def main() -> None:
    """Prints a table: milliseconds a step, how many times faster than plain, and the share of the machine's ceiling."""
    flags = parser(__doc__.splitlines()[0], rounds=7)
    flags.add_argument("--compile", action="store_true", help="also race compiled networks (slow first steps)")
    flags.add_argument("--only", default="", help="a part of the names of the works to measure")
    args = flags.parse_args()
    works = {work: line for work, line in (QUICK if args.quick else WORK).items() if args.only in work}
    if not works:
        flags.error(f"--only {args.only!r} is in none of the names: {'; '.join(QUICK if args.quick else WORK)}")
    device = choose_device("0", asked_for=False)
    rows = []
    for work, line in works.items():
        contestants = parted(device) | variants(device, args.compile)
        ceilings = {"fp32": ceiling(device)}  # beside it: machines change
        if has_bf16_units(device):
            ceilings["bf16"] = ceiling(device, torch.bfloat16)
        rows += measure(work, line, contestants, device, 1 if args.quick else args.rounds, ceilings)
    report("Training steps", machine(device), rows, args.json)


Contestant = tuple[str, Sequence[str]]
"""Flags, and which of PARTS are left out."""


def parted(device: torch.device) -> dict[str, Contestant]:
    """From --plain on, with one more of PARTS each, until one is missing."""
    parts = [part for part in PARTS if device.type == "cuda" or part != "searched algorithms"]
    found: dict[str, Contestant] = {"plain": ("--plain --precision fp32", ())}
    for number, part in enumerate(parts[:-1], 1):
        found[f"+ {part}"] = "--precision fp32 --cuda_graph off", parts[number:]
    return found


def variants(device: torch.device, compiled: bool) -> dict[str, Contestant]:
    """Those with all of PARTS."""
    found = {"fp32": "--precision fp32 --cuda_graph off"}
    if device.type == "cuda":
        found |= {"fp32, recorded": "--precision fp32", "tf32": "--precision tf32 --cuda_graph off",
                  "tf32, recorded": "--precision tf32", "fp16": "--precision fp16"}
    if has_bf16_units(device):
        found["bf16"] = "--precision bf16 --cuda_graph off"
    if device.type == "cuda":
        found["bf16, recorded"] = "--precision bf16"
    if compiled:
        found["bf16, recorded, compiled" if device.type == "cuda" else "fp32, compiled"] = (
            "--precision bf16 --compile" if device.type == "cuda" else "--precision fp32 --compile")
    return {name: (flags, ()) for name, flags in found.items()}


def measure(work: str, line: str, contestants: dict[str, Contestant], device: torch.device, rounds: int,
            ceilings: dict[str, float]) -> list[dict[str, object]]:
    """A row for each contestant."""
    count = 10 if device.type == "cuda" else 1  # steps that are timed at once
    with FlopCounterMode(display=False) as counter:
        stepper(f"{line} {contestants['plain'][0]}", device, 1)()
    steps = {name: stepper(f"{line} {flags}", device, count, without)
             for name, (flags, without) in contestants.items()}
    times = race(steps, rounds, warmup=1)  # on a GPU, ten steps: a step is recorded after three
    rows = []
    for name, values in times.items():
        best = ceilings["bf16" if "16" in name and "bf16" in ceilings else "fp32"]
        seconds = statistics.median(values) / count
        work_done = counter.get_total_flops()
        rows.append({"work": work, "variant": name, "ms/step": 1e3 * seconds, "x plain": ratio(times, name),
                     "TFLOP/step": work_done / 1e12, "TFLOP/s": work_done / seconds / 1e12,
                     "ceiling TFLOP/s": best / 1e12, "share of ceiling": work_done / seconds / best})
    return rows


def stepper(line: str, device: torch.device, count: int, without: Sequence[str] = ()) -> Callable[[], object]:
    """`count` training steps of these flags on one batch of random images, again and again. without: some of PARTS."""
    opt = parse(COMMAND, f"--dataroot none --load_size 1024 {line}".split())
    set_kinds(USUAL)
    with ExitStack() as stack:
        for part in set(without) & LEFT_OUT.keys():
            stack.enter_context(patch(*LEFT_OUT[part]))
        engine = make_engine(opt, device)
    engine.model.merge = engine.model.merge and "merged passes" not in without
    switches = kinds()
    asked = opt.view(DataOptions)
    shape = asked.batch_size, 3, *width_and_height(asked.crop_size)[::-1]
    batch = {side: torch.rand(shape, device=device) * 2 - 1 for side in "AB"}

    def step() -> None:
        set_kinds(switches)
        for number in range(count):
            engine.step(batch, epoch=1, images=number)
    return step


def _one_by_one(*args: Any) -> Optimizers:
    """Optimizers of one kernel for each operation of Adam."""
    updates, nets, lr, beta1, _, *more = args
    return Optimizers(updates, nets, lr, beta1, False, *more)


LEFT_OUT: dict[str, tuple[str, Any]] = {
    "fast layers": ("models.network_options.accelerate", lambda net: net),
    "layout": ("engine.engine.best_layout", lambda *_: torch.contiguous_format),
    "searched algorithms": ("engine.device.search_algorithms", lambda *_: None),
    "fused Adam": ("engine.engine.Optimizers", _one_by_one),
}
"""Where a part stands while an engine is made, and what is put there instead."""


def kinds() -> tuple[str, str, bool]:
    """torch's switches for all of a process that an engine may set."""
    backends: Any = torch.backends  # torch's types do not know cudnn.conv
    return backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision, backends.cudnn.benchmark


def set_kinds(switches: tuple[str, str, bool]) -> None:
    """Sets them, so that each contestant runs with its own."""
    backends: Any = torch.backends
    backends.cudnn.conv.fp32_precision, backends.cuda.matmul.fp32_precision, backends.cudnn.benchmark = switches


if __name__ == "__main__":
    main()
