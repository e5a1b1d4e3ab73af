"""Processes on this machine: which are alive, and how much memory they take."""
from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

MB = 1 << 20


def alive(pid: int, created: float | None = None) -> psutil.Process | None:
    """The process of that number, None when it has ended.

    created: when it began, in seconds since 1970; a process that began at another time is another one, which got the
    same number later.
    """
    with suppress(psutil.Error, ValueError, OverflowError, TypeError):
        process = psutil.Process(pid)
        known = created is None or abs(process.create_time() - created) < 1
        if known and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def began(pid: int) -> float:
    """When the process began, in seconds since 1970; 0 when it has ended already."""
    with suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0


def has_open(process: psutil.Process, file: Path) -> bool:
    """Whether the process has this file open; no other one of its number, here or on another machine, has."""
    with suppress(psutil.Error, OSError):
        return any(Path(one.path).samefile(file) for one in process.open_files() if Path(one.path).name == file.name)
    return False


def kill_with_children(process: psutil.Process) -> None:
    """End the process, and those that it started, at once. When it has ended already, nothing of its number is harmed.
    """
    with suppress(psutil.Error):
        doomed = [*process.children(recursive=True), process]
        for one in doomed:
            with suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(doomed, timeout=10)


def memory_in_words(process: psutil.Process) -> str:
    """'612 MB of memory', and what is in use of each NVIDIA GPU, by whatever process; '' when it has ended."""
    with suppress(psutil.Error):
        return f"{process.memory_info().rss / MB:,.0f} MB of memory" + "".join(
            f", GPU {number}: {used:,} of {total:,} MB in use" for number, used, total in gpu_memory())
    return ""


def gpu_memory() -> list[tuple[int, int, int]]:
    """Of each NVIDIA GPU its number, and how many MB are in use and there; [] where there is none."""
    if not shutil.which("nvidia-smi"):
        return []
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=index,memory.used,memory.total",
                               "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=5, check=True)
        rows = [[int(word) for word in line.split(",")] for line in done.stdout.splitlines()]
        return [(number, used, total) for number, used, total in rows]
    except (OSError, subprocess.SubprocessError, ValueError):  # it does not tell: nothing to show
        return []
