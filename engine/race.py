"""How long a layer takes, in each way to compute it and in either layout of memory."""
import copy
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from engine.layer_calls import Call, call_of
from networks.ways import DIRECT, TUNED, Ways, candidates

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MOST = 250_000_000  # multiplications: of larger images a part is computed, which tells as much
PER_WEIGHT = 200  # multiplications for each weight: so many are computed at least, as weights cost time of their own,
PER_WINOGRAD_WEIGHT = 4096  # those that are transformed more
FEWEST_ROWS = 16
RUNS, LONG = 10, 0.03  # of each candidate, after a first one, but fewer where they take so many seconds together; the
# fastest counts, as whatever else runs only slows it
FEWEST_RUNS = 2  # one alone may have been slowed
HOPELESS = 4.0  # times as long as the best of another way: that is no accident

Lane = tuple[str, str]
"""A layout and a way."""
Autocast = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Candidate:
    """What is timed: a call, computed so."""

    call: Call
    lane: Lane


class Stopwatch:
    """What tells the time, and how long a candidate takes."""

    def now(self) -> float:
        """Seconds since any moment."""
        return time.perf_counter()

    def seconds(self, candidate: Candidate, run: Callable[[], object]) -> float:
        """How long one call of `run` takes."""
        begin = self.now()
        run()
        return self.now() - begin


def race(layers: Mapping[Call, nn.Module], order: Iterable[tuple[Call, str]], autocast: Autocast, sixteen_bits: bool,
         limit: float, watch: Stopwatch) -> dict[Call, dict[Lane, float]]:
    """Seconds of each call in its lanes of a layout, as far as `limit` seconds reach; in the order given.

    layers: one that makes the call. sixteen_bits: whether they compute in bf16 or fp16.
    """
    end, times = watch.now() + limit, dict[Call, dict[Lane, float]]()
    parts: dict[tuple[Call, str], dict[Lane, float]] = {}
    for call, layout in order:
        if watch.now() >= end:
            break
        part = _part(layers[call], call)
        if (part, layout) not in parts:
            parts[part, layout] = _lanes(layers[call], part, layout, autocast, sixteen_bits, watch)
        share = call.work / max(part.work, 1)
        times.setdefault(call, {}).update({lane: share * seconds for lane, seconds in parts[part, layout].items()})
    return times


def _part(layer: nn.Module, call: Call) -> Call:
    """The call, or the same of fewer samples and rows, where it is large."""
    samples, _, height, _ = call.shapes[0]
    least = sum(parameter.numel() for parameter in layer.parameters()) * (
        PER_WEIGHT if len(candidates(layer, call.size, torch.channels_last, False, learns=False)) == 1 else
        PER_WINOGRAD_WEIGHT)
    most = max(MOST, least) if call.convolution else MOST // 250
    if call.work <= most:
        return call
    fewer = max(1, min(samples, samples * most // call.work))
    rows = max(FEWEST_ROWS, height * fewer * most * samples // (call.work * fewer * fewer))
    rows = min(height, rows // 4 * 4 + height % 4)  # as many tiles of four rows as in the whole, but for their number
    shapes = tuple((fewer, shape[1], rows, shape[3]) for shape in call.shapes)
    return call_of(layer, shapes, call.gradients)


def _lanes(layer: nn.Module, call: Call, layout: str, autocast: Autocast, sixteen_bits: bool, watch: Stopwatch
           ) -> dict[Lane, float]:
    """Seconds of the fastest of several runs. The ways take turns, so that what slows the machine slows all."""
    runs = {Candidate(call, (layout, way)): _run(layer, call, layout, way, autocast)
            for way in candidates(layer, call.size, LAYOUTS[layout], sixteen_bits, learns=call.gradients[1])}
    for candidate, run in runs.items():
        watch.seconds(candidate, run)  # kernels are made at first use
    taken: dict[Candidate, list[float]] = {candidate: [] for candidate in runs}
    racing = list(runs)
    while racing:
        for candidate in racing:
            taken[candidate].append(watch.seconds(candidate, runs[candidate]))
        best = min(map(min, taken.values()))
        racing = [candidate for candidate in racing if not _known(taken[candidate], best)]
    return {candidate.lane: min(seconds) for candidate, seconds in taken.items()}


def _known(seconds: list[float], best: float) -> bool:
    """Whether a candidate has run often enough. best: seconds of the fastest one so far."""
    if len(seconds) > 1 and min(seconds) > HOPELESS * best:
        return True
    return len(seconds) >= RUNS or (len(seconds) >= FEWEST_RUNS and sum(seconds) >= LONG)


def _run(layer: nn.Module, call: Call, layout: str, way: str, autocast: Autocast) -> Callable[[], object]:
    """Computes the call once, with its gradients, on a copy of the layer."""
    layer = copy.deepcopy(layer).to(memory_format=LAYOUTS[layout])
    if isinstance(layer, TUNED) and way != DIRECT:
        layer.ways = Ways({call.name: {"x".join(map(str, call.size)): way}})
    if hasattr(layer, "inplace"):
        cast(Any, layer).inplace = False  # gradients are asked of what goes in
    kind = next((parameter.dtype for parameter in layer.parameters()), torch.get_default_dtype())
    inputs = [torch.randn(shape, dtype=kind).contiguous(memory_format=LAYOUTS[layout]).requires_grad_(call.gradients[0])
              for shape in call.shapes]
    for parameter in layer.parameters():
        parameter.requires_grad_(call.gradients[1])
    asked: list[Tensor] = [*(inputs if call.gradients[0] else ()),
                           *(layer.parameters() if call.gradients[1] else ())]
    gradient: Tensor | None = None

    def run() -> None:
        nonlocal gradient
        with torch.set_grad_enabled(bool(asked)), autocast():
            y = layer(*inputs)
        if asked:
            gradient = torch.ones_like(y) if gradient is None else gradient
            torch.autograd.grad(y, asked, gradient, allow_unused=True)
    return run
