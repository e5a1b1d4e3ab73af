"""What the exchange of gradients costs, and how much of it backward hides: python benchmarks/exchange.py

Processes (--processes) train side by side on this machine, on GPUs one each, else on the CPU, which they share. The
contestants take turns, until --rounds or --seconds are over: no exchange at all; one exchange of all gradients after
backward; torch's DistributedDataParallel, which is what train.py does; and with --compress also that with each
--grad_compress. A trace of one step says how long the exchanges took and for how much of that time gradients were
computed meanwhile (with gloo); --trace keeps it, for https://ui.perfetto.dev.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from common import machine, parser, positive, race, ratio, report
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import engine.low_rank
from engine.device import choose_device
from engine.distributed import from_rank_0
from engine.engine import Engine
from engine.exchange import Exchange
from engine.optimizers import gradients_of
from engine.processes import joined_processes
from models.contract import Images, Update
from options.command_line import parse
from train import COMMAND, make_engine
from util.torchrun import rank, world_size

LINE = "--model pix2pix --netG resnet_9blocks --crop_size 128 --precision fp32"
QUICK = "--model pix2pix --netG resnet_6blocks --ngf 4 --ndf 4 --crop_size 32 --precision fp32"
AFTER, OVERLAPPED = "one exchange after backward", "DistributedDataParallel"
Spans = Sequence[tuple[float, float]]
"""Begin and end, sorted, without overlaps."""


class Alone(Exchange):
    """Each process learns for itself."""

    def losses(self, update: Update, images: Images) -> dict[str, Tensor]:
        """The named losses of the update."""
        return dict(update.losses(images))


class AfterBackward(Alone):
    """All gradients of an update in one exchange, when backward is over."""

    def __init__(self, engine: Engine):
        super().__init__(engine.model.nets)
        self.engine = engine

    def take_back(self, update: Update, before: Mapping[str, Mapping[int, Tensor]], moved: Tensor) -> None:
        """Averages after the optimizer's step instead of before it, where a subclass can; it takes as long."""
        gradients = gradients_of(self.engine.optimizers.of[update.nets])
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= world_size()
        for gradient, part in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


def main() -> None:
    """Prints the table, and what the trace says."""
    flags = parser(__doc__.splitlines()[0], rounds=9)
    flags.add_argument("--processes", type=int, default=2, help="how many train together")
    flags.add_argument("--seconds", type=positive, default=150, help="no round begins after so many")
    flags.add_argument("--compress", action="store_true", help="also with each --grad_compress")
    flags.add_argument("--line", default=LINE, help="flags of the training")
    flags.add_argument("--trace", type=Path, help="also write the trace of one step of process 0 to this file")
    flags.add_argument("--of", type=Path, help="only that file: one of several processes, started by this script")
    args = flags.parse_args()
    line, rounds = (QUICK, 1) if args.quick else (args.line, args.rounds)
    if args.of:
        with joined_processes():
            found = measure(line, rounds, args.seconds, args.compress or args.quick, args.trace)
            if rank() == 0:
                args.of.write_text(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "found.json")
        threads = str(max(1, (os.cpu_count() or 1) // args.processes))
        subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node",
                        str(args.processes), __file__, "--of", str(out), "--rounds", str(rounds), "--line", line,
                        "--seconds", str(args.seconds), *(["--trace", str(args.trace)] if args.trace else []),
                        *["--quick"] * args.quick, *["--compress"] * args.compress], check=True,
                       env=os.environ | {"OMP_NUM_THREADS": threads})
        found = json.loads(out.read_text())
    where = machine(choose_device("0", asked_for=False))
    report(f"{args.processes} processes, {found['rounds']} rounds, {line}", where, found["rows"], args.json)
    print(found["trace"])


def measure(line: str, rounds: int, limit: int, compress: bool, trace: Path | None) -> dict[str, Any]:
    """In each process: how many rounds were run within `limit` seconds, the rows of the table, and a sentence about the
    trace.
    """
    begin = time.monotonic()
    device = choose_device("0", asked_for=False)
    engine.low_rank.EXACT = 2  # steps before powersgd compresses
    contestants = {"no exchange": stepper(line, device, Alone), AFTER: stepper(line, device, AfterBackward),
                   OVERLAPPED: stepper(line, device),
                   **{f"the same, --grad_compress {kind}": stepper(f"{line} --grad_compress {kind}", device)
                      for kind in ("bf16", "powersgd") if compress}}
    times = race(contestants, rounds, warmup=2 if compress else 1,  # powersgd compresses from the third step on
                 enough=lambda: from_rank_0(lambda: time.monotonic() - begin > limit))
    rows = [{"exchange": name, "ms/step": 1e3 * statistics.median(times[name]),
             f"times {AFTER}": ratio(times, name, AFTER)} for name in contestants]
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        contestants[OVERLAPPED]()
    if trace and rank() == 0:
        seen.export_chrome_trace(str(trace))
    exchanges = spans(seen, lambda name: name.startswith("gloo:all_reduce"))
    computing = spans(seen, lambda name: name.startswith("autograd::engine::evaluate_function"))
    total, hidden = length(exchanges), length(overlap(exchanges, computing))
    said = (f"one step of {OVERLAPPED}: {total / 1e3:.0f} ms of exchanges on their threads, {hidden / 1e3:.0f} ms of "
            "that while backward computed gradients" if total else "no gloo in the trace")
    return {"rounds": len(times[AFTER]), "rows": rows, "trace": said}


def stepper(line: str, device: torch.device, exchange: Callable[..., Exchange] | None = None) -> Callable[[], object]:
    """A training step of these flags on one random batch, again and again, with another exchange if one is given."""
    opt = parse(COMMAND, f"--dataroot none --load_size 1024 --cuda_graph off {line}".split())
    engine = make_engine(opt, device)
    if exchange:
        engine.exchange = exchange(engine if exchange is AfterBackward else engine.model.nets)
    side = opt.as_dict()["crop_size"]
    batch = {name: torch.rand(1, 3, side, side, device=device) * 2 - 1 for name in "AB"}
    return lambda: engine.step(batch, epoch=1, images=0)


def spans(seen: profile, wanted: Callable[[str], bool]) -> Spans:
    """When events of these names ran, in microseconds."""
    times = sorted((event.time_range.start, event.time_range.end) for event in seen.events() if wanted(event.name))
    merged: list[tuple[float, float]] = []
    for begin, end in times:
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def overlap(some: Spans, others: Spans) -> Spans:
    """When both ran."""
    return [(begin, end) for first in some for other in others
            if (begin := max(first[0], other[0])) < (end := min(first[1], other[1]))]


def length(times: Spans) -> float:
    """How long that is together."""
    return sum(end - begin for begin, end in times)


if __name__ == "__main__":
    main()
