"""What numbers are measured on: processor, the instructions that are in use, versions, and who else was busy.

`--isa avx2`, a flag of the benchmarks, shows what a CPU without AVX512 and bf16 units would do.
"""
import argparse
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

FORCED = {"avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}}
"""By name, what torch's libraries read of the environment when they are loaded."""


class StartAgainWith(argparse.Action):
    """--isa: the same command in an environment in which nothing beyond these instructions is used."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: str | Sequence[Any] | None, option_string: str | None = None) -> None:
        wanted = FORCED[str(values)]
        if any(os.environ.get(name) != value for name, value in wanted.items()):
            sys.stdout.flush()
            os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)
        if any("avx512" in used.lower() for used in instructions().values()):
            parser.error(f"--isa {values} has no effect here: {described(instructions())}")
        setattr(namespace, self.dest, values)


def machine(device: torch.device) -> dict[str, str]:
    """What the numbers were measured on, and when; to be asked when all is measured."""
    gpu = f"{torch.cuda.get_device_name(device)} beside " if device.type == "cuda" else ""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "device": gpu + processor(),
        "instructions": described(instructions()),
        "torch": f"torch {torch.__version__}",
        "python": f"Python {platform.python_version()}",
        "others": OTHERS.described(),
    }


def processor() -> str:
    """The CPU's name, how many the system counts, and the threads that torch uses."""
    name, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return f"{f'{models[0]} x {len(models)}' if models else name}, {torch.get_num_threads()} threads"


def instructions() -> dict[str, str]:
    """By library, the instructions that it computes with here: what torch says, and what a convolution of oneDNN ran.
    """
    found = {"torch": torch.backends.cpu.get_cpu_capability()}
    if torch.backends.mkldnn.is_available():
        told = re.search(r",convolution,([^,]*),", _said_by_onednn())
        found["oneDNN"] = told[1] if told else "not asked for a convolution"
    return found


def described(used: dict[str, str]) -> str:
    """In one line."""
    return ", ".join(f"{library} {name}" for library, name in used.items())


def _said_by_onednn() -> str:
    """What oneDNN writes, past Python, to standard output about one convolution."""
    image, weight = torch.zeros(1, 64, 32, 32), torch.zeros(64, 64, 3, 3)
    sys.stdout.flush()
    with tempfile.TemporaryFile() as written:
        stdout = os.dup(1)
        os.dup2(written.fileno(), 1)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                F.conv2d(image, weight)
        finally:
            os.dup2(stdout, 1)
            os.close(stdout)
        written.seek(0)
        return written.read().decode(errors="replace")


class Others:
    """How many cores everybody else has kept busy since this was made, on average (Linux)."""

    def __init__(self) -> None:
        self.begin, self.busy = time.monotonic(), self._busy()

    def described(self) -> str:
        """'0.2 cores busy with others', or the system's load where the kernel does not tell."""
        if self.busy is None or (busy := self._busy()) is None:
            return f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
        return f"{max(0.0, busy - self.busy) / (time.monotonic() - self.begin):.1f} cores busy with others"

    def _busy(self) -> float | None:
        """Seconds that all cores have computed, without those of this process and its children that have ended."""
        try:
            user, nice, system, _, _, *more = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
        except (OSError, ValueError):
            return None
        own = os.times()
        return (user + nice + system + sum(more)) / os.sysconf("SC_CLK_TCK") - sum(own[:4])


OTHERS = Others()
