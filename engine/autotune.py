"""Chosen by measurement: layouts, ways of layers and merged passes, by a race before the first step on a CPU.

As cudnn.benchmark does on GPUs. What was found is remembered for the machine, in the user's cache folder.
"""
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.layer_calls import Call, Calls
from engine.race import LAYOUTS, Autocast, Lane, Stopwatch, race
from networks.scratch import forget_rooms
from networks.ways import DIRECT, WAYS, Ways, take_ways
from util.files import write_atomically
from util.user_cache import user_cache

VERSION = 1  # of what is remembered
LIMIT = 2.0  # seconds for a network
FEWEST = 300_000_000  # multiplications forward: below, there is nothing to be won
MARGIN = 0.97  # of the time: less is taken for noise
SWITCHES = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "OMP_NUM_THREADS",
            "KMP_BLOCKTIME", "KMP_AFFINITY", "DNNL_MAX_CPU_ISA")


@dataclass(frozen=True)
class Chosen:
    """What a race decided. Plain, to be saved with a state.

    layouts: by network. ways: by network, as `Ways` takes them. merge: whether passes of one network are merged; None:
    as the model has it. table: lines that show how it was decided.
    """

    layouts: dict[str, str] = field(default_factory=dict)
    ways: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    merge: bool | None = None
    table: list[str] = field(default_factory=list)

    def apply(self, nets: Mapping[str, nn.Module]) -> None:
        """Let the networks compute so, those that are named."""
        for name, net in nets.items():
            if name in self.layouts:
                net.to(memory_format=LAYOUTS[self.layouts[name]])
                take_ways(net, Ways(self.ways.get(name, {})))

    def told(self) -> str:
        """In one line."""
        nets = []
        for name, layout in self.layouts.items():
            taken = sorted({way for sizes in self.ways.get(name, {}).values() for way in sizes.values()} - {DIRECT})
            nets.append(f"{name} {' with '.join([layout, *([', '.join(taken)] if taken else [])])}")
        return "; ".join(nets) + ("; separate passes" if self.merge is False else "")


def choose(calls: Mapping[bool, Calls], layouts: Mapping[str, str], fixed: bool, autocast: Autocast, precision: str,
           watch: Stopwatch | None = None) -> tuple[Chosen, str]:
    """What is fastest, raced or remembered, and which of both in words.

    calls: of the model, by whether passes are merged, the present way first. layouts: the static choice for each
    network; fixed: it stays.
    """
    first = next(iter(calls.values()))
    where = _place({"calls": [one.described() for one in calls.values()], "layouts": dict(layouts), "fixed": fixed,
                    "precision": precision})
    remembered = _remembered(where)
    if remembered:
        return remembered, "remembered"
    watch = watch or Stopwatch()
    begin = watch.now()
    layers = {call: layer for one in calls.values() for call, layer in one.layers.items()}
    order = _order(calls, layers, layouts, fixed)
    with torch.random.fork_rng(devices=[]):
        times = race(layers, order, autocast, precision in ("bf16", "fp16"), LIMIT * len(first.of), watch)
    forget_rooms()  # of ways that are not taken
    chosen = decide(calls, times, layouts, fixed)
    _remember(where, chosen)
    return chosen, f"raced in {watch.now() - begin:.1f} s"


def _order(calls: Mapping[bool, Calls], layers: Mapping[Call, nn.Module], layouts: Mapping[str, str], fixed: bool
           ) -> list[tuple[Call, str]]:
    """What is raced first: all calls in the present layout, then in the other one; long ones before short ones."""
    efforts: dict[Call, float] = {}
    present: dict[Call, str] = {}
    for one in calls.values():
        for net, counts in one.of.items():
            for call, count in counts.items():
                efforts[call] = efforts.get(call, 0.0) + count * _effort(call, layers[call])
                present.setdefault(call, layouts[net])
    order = sorted(efforts, key=lambda call: -efforts[call])
    others = [(call, layout) for call in order for layout in LAYOUTS if layout != present[call]]
    return [(call, present[call]) for call in order] + ([] if fixed else others)


def _effort(call: Call, layer: nn.Module) -> float:
    """About how long a call takes, in multiplications: numbers that come from memory cost more than those."""
    return (call.work if call.convolution else 32 * call.work) + 100 * sum(p.numel() for p in layer.parameters())


def decide(calls: Mapping[bool, Calls], times: Mapping[Call, Mapping[Lane, float]], layouts: Mapping[str, str],
           fixed: bool) -> Chosen:
    """What is fastest by these times of the layers, in seconds. Calls that were not timed count nowhere."""
    plans = {merge: _plan(one, times, layouts, fixed) for merge, one in calls.items()}
    present, *others = plans
    best = present
    for merge in others:
        if all(len(times.get(call, {})) > 1 for one in calls.values() for of_net in one.of.values() for call in of_net
               ) and plans[merge][0] < MARGIN * plans[present][0]:
            best = merge
    return Chosen(plans[best][1], plans[best][2], best if others else None, _table(calls[best], times, plans[best][1]))


def _plan(calls: Calls, times: Mapping[Call, Mapping[Lane, float]], layouts: Mapping[str, str], fixed: bool
          ) -> tuple[float, dict[str, str], dict[str, dict[str, dict[str, str]]]]:
    """Seconds in all, layouts and ways."""
    total, taken, ways = 0.0, dict[str, str](), dict[str, dict[str, dict[str, str]]]()
    for net, counts in calls.of.items():
        static = layouts[net]
        known = {call: count for call, count in counts.items() if {(layout, DIRECT) for layout in LAYOUTS} <=
                 times.get(call, {}).keys() or (fixed and call in times)}
        sums = {layout: sum(count * times[call][layout, _fastest(times[call], layout)]
                            for call, count in known.items())
                for layout in ([static] if fixed else [static, *(LAYOUTS.keys() - {static})])}
        other = min(sums, key=lambda layout: sums[layout])
        layout = other if sums[other] < MARGIN * sums[static] else static
        total, taken[net], ways[net] = total + sums[layout], layout, {}
        for call in counts:
            if call.convolution and (layout, DIRECT) in times.get(call, {}):
                size = "x".join(map(str, call.size))
                ways[net].setdefault(call.name, {})[size] = _fastest(times[call], layout)
    return total, taken, ways


def _fastest(times: Mapping[Lane, float], layout: str) -> str:
    """The way to take in that layout."""
    lanes = {way: seconds for (where, way), seconds in times.items() if where == layout}
    best = min(lanes, key=lambda way: lanes[way])
    return best if lanes[best] < MARGIN * lanes[DIRECT] else DIRECT


def _table(calls: Calls, times: Mapping[Call, Mapping[Lane, float]], layouts: Mapping[str, str]) -> list[str]:
    """A line for each call of each network: how often, and milliseconds in each lane; * for the one that is taken."""
    lines = []
    for net, counts in calls.of.items():
        for call, count in counts.items():
            if (layouts[net], DIRECT) in times.get(call, {}):
                taken = layouts[net], _fastest(times[call], layouts[net])
                cells = [f"{'*' if lane == taken else ''}{' '.join(lane)} {1e3 * seconds:.2f}"
                         for lane, seconds in times[call].items()]
                shapes = " and ".join("x".join(map(str, shape)) for shape in call.shapes)
                lines.append(f"  {net}: {count} times {call.name} of {shapes}: {', '.join(cells)} ms")
    return lines


def machine() -> dict[str, Any]:
    """What the choice depends on beside the networks: processor, threads, torch, what libraries are told."""
    names = Path("/proc/cpuinfo")
    model = next((line.partition(":")[2].strip() for line in names.read_text().splitlines()
                  if line.startswith("model name")), "") if names.is_file() else platform.processor()
    return {"processor": model or platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
            "torch": torch.__version__, "isa": torch.backends.cpu.get_cpu_capability(),
            "switches": {name: os.environ[name] for name in SWITCHES if name in os.environ}}


def _place(what: Mapping[str, Any]) -> Path:
    """The file that remembers what was chosen here for such a model."""
    key = json.dumps({"version": VERSION, **machine(), **what}, sort_keys=True)
    return user_cache() / "autotune" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _remembered(place: Path) -> Chosen | None:
    """None where there is nothing, or nothing whole."""
    try:
        return chosen_from(json.loads(place.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _remember(place: Path, chosen: Chosen) -> None:
    try:
        write_atomically(place, json.dumps(asdict(chosen), indent=1))
    except OSError:
        return  # a cache that cannot be written: it is raced again


def chosen_from(saved: Mapping[str, Any]) -> Chosen:
    """What `asdict` gave. ValueError or TypeError when it is something else."""
    chosen = Chosen(**saved)
    if not set(chosen.layouts.values()) <= LAYOUTS.keys():
        raise ValueError(f"layouts {chosen.layouts}")
    for ways in chosen.ways.values():
        Ways(ways)
        if not {way for sizes in ways.values() for way in sizes.values()} <= WAYS.keys():
            raise ValueError(f"ways {ways}")
    return chosen

