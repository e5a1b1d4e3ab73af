"""What all benchmarks share: flags, interleaved runs, the machine's ceiling, tables, JSON."""
import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from machine import FORCED, StartAgainWith, machine

CHECKOUT = "BENCHMARKED_CHECKOUT"  # in the environment: the project to run instead of the one that this file is in
sys.path.insert(0, os.environ.get(CHECKOUT) or str(Path(__file__).parents[1]))  # the project, from any folder

__all__ = ["CHECKOUT", "Times", "ceiling", "machine", "parser", "positive", "race", "ratio", "report", "seconds"]

Times = dict[str, list[float]]
"""Seconds of each round, by contestant."""


def parser(description: str, rounds: int | None) -> argparse.ArgumentParser:
    """The flags that every benchmark has; --rounds where there is a number of them."""
    flags = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    if rounds is not None:
        flags.add_argument("--rounds", type=positive, default=rounds,
                           help="interleaved runs of each contestant; medians are shown")
    flags.add_argument("--json", type=Path, help="also write the numbers to this file")
    flags.add_argument("--isa", choices=FORCED, action=StartAgainWith, help="use no better instructions of the CPU")
    flags.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs; its numbers say nothing")
    return flags


def positive(text: str) -> int:
    """The type of a flag that is a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small, expected at least 1")
    return number


def race(contestants: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1,
         enough: Callable[[], bool] = lambda: False, before: Callable[[], object] = lambda: None) -> Times:
    """Runs the contestants in turn, `rounds` times each, so that whatever slows the machine slows all of them.

    Every second round has the other order. enough: asked after each round, whether it was the last one. before: called
    before each run that counts, and not timed.
    """
    for run in contestants.values():
        for _ in range(warmup):
            run()
    times: Times = {name: [] for name in contestants}
    for number in range(rounds):
        for name in list(contestants)[::-1 if number % 2 else 1]:
            before()
            times[name].append(seconds(contestants[name]))
        if enough():
            break
    return times


def seconds(run: Callable[[], object]) -> float:
    """How long one call takes, the work that it leaves to a GPU included."""
    _wait()
    begin = time.perf_counter()
    run()
    _wait()
    return time.perf_counter() - begin


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ratio(times: Times, name: str, baseline: str = "plain") -> float:
    """How many times faster `name` is than the baseline: the median over rounds of the ratio within a round."""
    return statistics.median(b / t for b, t in zip(times[baseline], times[name], strict=True))


def ceiling(device: torch.device, dtype: torch.dtype = torch.float32, rounds: int = 15) -> float:
    """FLOP/s that this machine reaches, best of a matrix product and the 3x3 convolution of a residual block."""
    side = 8192 if device.type == "cuda" else 1024
    matrix = torch.randn(side, side, device=device, dtype=dtype)
    image = torch.randn(1, 256, 66, 66, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    probes = {"matmul": (lambda: matrix @ matrix, 2 * side**3),
              "conv": (lambda: F.conv2d(image, weight), 2 * 64 * 64 * 256 * 256 * 9)}
    times = race({name: run for name, (run, _) in probes.items()}, rounds, warmup=min(rounds, 3))
    return max(flops / statistics.median(times[name]) for name, (_, flops) in probes.items())


def report(title: str, where: Mapping[str, str], rows: Sequence[Mapping[str, object]], json_file: Path | None) -> None:
    """Prints the machine and a table (Markdown), and writes both as JSON when a file is given."""
    print(f"\n{title}: {', '.join(where.values())}\n")
    columns = list(rows[0])
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[number]) for line in [columns, *cells]) for number in range(len(columns))]
    for line in [columns, ["-" * width for width in widths], *cells]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps({"title": title, "machine": dict(where), "rows": list(rows)}, indent=1) + "\n")


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
