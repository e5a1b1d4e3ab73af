"""Training steps against --plain: python benchmarks/step.py

Every variant takes the same batch in turn, in a process of its own, on the best device there is; FLOP are counted by
torch in the plain step. Variants differ by one thing each: from plain to fp32 each has one of PARTS more than the one
before. On a GPU several steps are timed at once, as they are computed while the host goes on, and the variants with a
recorded step (--cuda_graph) come as well. "peak MB" is the most memory that a process had, on a GPU that its tensors
had there.
"""
import multiprocessing
import os
import resource
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from common import Times, ceiling, machine, parser, race, ratio, report, seconds
from torch.utils.flop_counter import FlopCounterMode

from engine.device import choose_device
from engine.host_memory import keep_freed_memory
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
PARTS = {"merged passes": "", "fast layers": "", "layout": "", "searched algorithms": "cuda", "fused Adam": "",
         "kept memory": "cpu", "measured choice": "cpu"}
"""What the fast step has beyond --plain, in fp32, and the kind of device where it has it, if not on all. Algorithms are
searched by cudnn; freed memory is kept by engine/host_memory.py; engine/autotune.py measures."""
QUICK = {"CycleGAN, tiny": "--model cycle_gan --netG resnet_6blocks --ngf 4 --ndf 4 --crop_size 32"}


def main() -> None:
    """Prints a table: milliseconds a step, how many times faster than plain, and the share of the machine's ceiling."""
    flags = parser(__doc__.splitlines()[0], rounds=7)
    flags.add_argument("--compile", action="store_true", help="also race compiled networks (slow first steps)")
    flags.add_argument("--brief", action="store_true", help="leave out what lies between plain and fp32")
    flags.add_argument("--only", default="", help="a part of the names of the works to measure")
    args = flags.parse_args()
    works = {work: line for work, line in (QUICK if args.quick else WORK).items() if args.only in work}
    if not works:
        flags.error(f"--only {args.only!r} is in none of the names: {'; '.join(QUICK if args.quick else WORK)}")
    device = choose_device("0", asked_for=False)
    rows = []
    for work, line in works.items():
        contestants = (PLAIN if args.brief else parted(device)) | variants(device, args.compile)
        probes = 1 if args.quick else 15
        ceilings = {"fp32": ceiling(device, rounds=probes)}  # beside it: machines change
        if has_bf16_units(device):
            ceilings["bf16"] = ceiling(device, torch.bfloat16, probes)
        rows += measure(work, line, contestants, device, 1 if args.quick else args.rounds, ceilings)
    report("Training steps", machine(device), rows, args.json)


Contestant = tuple[str, Sequence[str]]
"""Flags, and which of PARTS are left out."""
PLAIN: dict[str, Contestant] = {"plain": ("--plain --precision fp32", ())}


def parted(device: torch.device) -> dict[str, Contestant]:
    """From --plain on, with one more of PARTS each, until one is missing."""
    parts = [part for part, where in PARTS.items() if where in ("", device.type)]
    found = dict(PLAIN)
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
    times: Times = {}
    ratios, peaks = dict[str, float](), dict[str, float]()
    others = [(name, contestant) for name, contestant in contestants.items() if name != "plain"]
    with Child(f"{line} {contestants['plain'][0]}", (), device, count) as plain:
        work_done, at_once = plain.flop(), fitting(device, plain.peak())
        for begin in range(0, len(others), at_once):
            with ExitStack() as stack:
                children = {name: stack.enter_context(Child(f"{line} {flags}", without, device, count))
                            for name, (flags, without) in others[begin:begin + at_once]}
                children = {"plain": plain, **children}
                some = race({name: child.steps for name, child in children.items()}, rounds, warmup=1)
                ratios |= {name: ratio(some, name) for name in some}
                peaks |= {name: child.peak() for name, child in children.items()}
            times = {**some, **times}
    rows = []
    for name in contestants:
        best = ceilings["bf16" if "16" in name and "bf16" in ceilings else "fp32"]
        each = statistics.median(times[name]) / count
        rows.append({"work": work, "variant": name, "ms/step": 1e3 * each, "x plain": ratios[name],
                     "peak MB": peaks[name], "TFLOP/step": work_done / 1e12, "TFLOP/s": work_done / each / 1e12,
                     "ceiling TFLOP/s": best / 1e12, "share of ceiling": work_done / each / best})
    return rows


def fitting(device: torch.device, peak: float) -> int:
    """How many contestants have room beside the plain one, of a peak of so many MB, where memory is the machine's."""
    if device.type == "cuda":
        return len(PARTS) + 10
    return max(1, int(0.7 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6 / peak) - 1)


class Child:
    """A contestant in a process of its own, so that its memory is its own and torch's switches are. A context."""

    def __init__(self, line: str, without: Sequence[str], device: torch.device, count: int):
        context = multiprocessing.get_context("spawn")
        self.pipe, far_end = context.Pipe()
        self.process = context.Process(target=contest, args=(far_end, line, without, device, count))

    def __enter__(self) -> "Child":
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.join()

    def _answer(self, question: str) -> float:
        self.pipe.send(question)
        answer: float = self.pipe.recv()
        return answer

    def flop(self) -> float:
        """Those of one step, which is taken."""
        return self._answer("flop")

    def steps(self) -> float:
        """Takes `count` steps, and gives their seconds."""
        return self._answer("steps")

    def peak(self) -> float:
        """The most memory so far, in MB."""
        return self._answer("peak")


def contest(pipe: Any, line: str, without: Sequence[str], device: torch.device, count: int) -> None:
    """Answers what a Child asks, in its process."""
    if device.type == "cpu" and "--plain" not in line and "kept memory" not in without:
        keep_freed_memory()
    step = stepper(line, device, 1, without)
    answers: dict[str, Callable[[], float]] = {
        "flop": lambda: flop_of(step), "peak": lambda: peak_memory(device),
        "steps": lambda: seconds(lambda: [step() for _ in range(count)])}
    while True:
        pipe.send(answers[pipe.recv()]())


def flop_of(step: Callable[[], object]) -> float:
    """FLOP of what is called, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())


def peak_memory(device: torch.device) -> float:
    """MB, of this process or of its tensors on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def stepper(line: str, device: torch.device, count: int, without: Sequence[str] = ()) -> Callable[[], object]:
    """`count` training steps of these flags on one batch of random images, again and again. without: some of PARTS."""
    off = ["--autotune", "off"] if "measured choice" in without else []
    opt = parse(COMMAND, ["--dataroot", "none", "--load_size", "1024", *line.split(), *off])
    with ExitStack() as stack:
        for part in set(without) & LEFT_OUT.keys():
            stack.enter_context(patch(*LEFT_OUT[part]))
        engine = make_engine(opt, device)
    engine.model.merge = engine.model.merge and "merged passes" not in without
    asked = opt.view(DataOptions)
    shape = asked.batch_size, 3, *width_and_height(asked.crop_size)[::-1]
    batch = {side: torch.rand(shape, device=device) * 2 - 1 for side in "AB"}

    def step() -> None:
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


if __name__ == "__main__":
    main()
