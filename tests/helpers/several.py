"""Starting several processes with torchrun, for tests."""
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.commands import ROOT, TINY

TRAIN = (f"{TINY} --model pix2pix --no_dropout false --norm batch --n_epochs 5 --num_threads 1 --print_freq 1 "
         "--save_latest_freq 1 --no_html")


def torchrun(options: str, *command: object) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", *options.split(), *map(str, command)]


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen]:
    """A process; it and those it started are gone afterwards."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        for pid in (*ranks(process.pid).values(), process.pid):
            if process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        process.wait()


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """Exit code and output; it must end within a minute."""
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def ranks(launcher: int) -> dict[int, int]:
    """The process ids of what this torchrun started, by rank: it starts them in this order."""
    try:
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(enumerate(sorted(map(int, children))))


def train_line(dataroot: Path, name: str, more: str = "") -> list[object]:
    return [ROOT / "train.py", "--dataroot", dataroot, "--name", name, *TRAIN.split(), *more.split()]


def wait_for(folder: Path, steps: int, process: subprocess.Popen) -> None:
    """Until so many steps were logged."""
    log = folder / "loss_log.txt"
    while process.poll() is None and (not log.exists() or log.read_text().count("iters:") < steps):
        time.sleep(0.01)
