"""How long it takes until processes are told that one of them has died, froze or hangs: python benchmarks/watchdogs.py

Three processes add up tensors over gloo, step after step, as a training does. One of them is killed or frozen, or reads
for longer than --patience, and who watches over the others is one of: gloo's own timeout, torch's monitored_barrier
before each step, torchrun, and engine/heartbeat.py with the timeout of gloo that a training has. The last row is no
failure: who ends a training there ends one that only waits for a slow drive, or compiles.
"""
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import torch
import torch.distributed as dist
from common import machine, parser, positive, report

from engine import distributed, heartbeat
from util.files import write_atomically
from util.torchrun import rank

PROCESSES, VICTIM, STEPS = 3, 1, 20
CASES = {"killed while the others exchange": signal.SIGKILL, "killed while the others read": signal.SIGKILL,
         "frozen": signal.SIGSTOP, "reads for ever": None, "reads slowly, then goes on": None}
Watch = Callable[[int], AbstractContextManager[Callable[[], dist.ProcessGroup | None]]]
"""Joins the processes with a patience in seconds; gives what is to be called before each step, for the group to use."""
FORKS = multiprocessing.get_context("forkserver")
READING, SLOW = 3, 2  # times --patience: how long the others read, and the slow one


def main() -> None:
    """Prints the table: seconds until all others have ended, '-' where they still wait after four times --patience."""
    flags = parser(__doc__.splitlines()[0], rounds=1)
    flags.add_argument("--patience", type=positive, default=10, help="seconds that each of the watchers waits")
    flags.add_argument("--of", nargs=4, metavar=("WATCHER", "CASE", "FOLDER", "SECONDS"),
                       help="only that process, started by this script")
    args = flags.parse_args()
    if args.of:
        train(*args.of)
        return
    patience = 5 if args.quick else args.patience
    runs = [(watcher, case) for case in CASES for watcher in WATCHERS]
    FORKS.set_forkserver_preload(["torch.distributed", "engine.distributed"])
    with ThreadPoolExecutor(7) as pool:
        found = dict(zip(runs, pool.map(lambda run: seconds_until_told(run[0], run[1], patience), runs), strict=True))
    rows = [{"what": case, **{watcher: found[watcher, case] for watcher in WATCHERS}} for case in CASES]
    report(f"seconds until the others have ended, with a patience of {patience} s", machine(torch.device("cpu")), rows,
           args.json)


def seconds_until_told(watcher: str, case: str, patience: int) -> str:
    """From the moment at which one process dies, freezes or reads."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shared = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
                  "WORLD_SIZE": str(PROCESSES)}
        words = (watcher, case, name, str(patience))
        started = [_by_torchrun(words)] if watcher == "torchrun" else [
            _by_fork(words, {**shared, "RANK": str(number)}) for number in range(PROCESSES)]
        try:
            _wait_for(folder, 300)
            begin = time.monotonic()
            pids = {number: int((folder / str(number)).read_text()) for number in range(PROCESSES)}
            if number := CASES[case]:
                os.kill(pids[VICTIM], number)
            others = [pid for number, pid in pids.items() if number != VICTIM]
            limit = begin + 4 * patience
            while any(map(_lives, others)) and time.monotonic() < limit:
                time.sleep(0.02)
            return "-" if any(map(_lives, others)) else f"{time.monotonic() - begin:.1f}"
        finally:
            left = [int(file.read_text()) for file in folder.iterdir() if file.name.isdigit()]
            for pid in (*left, *started):
                if _lives(pid):
                    os.kill(pid, signal.SIGKILL)


def _by_torchrun(words: tuple[str, ...]) -> int:
    """Starts the processes; the number of torchrun's own."""
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(PROCESSES), __file__]
    return Popen([*line, "--of", *words], env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=DEVNULL, stderr=DEVNULL).pid


def _by_fork(words: tuple[str, ...], environment: dict[str, str]) -> int:
    """Starts one of them, which need not import torch again; its number."""
    process = FORKS.Process(target=_begin, args=(words, environment), daemon=True)
    process.start()
    assert process.pid
    return process.pid


def _begin(words: tuple[str, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    torch.set_num_threads(1)
    train(*words)


def _wait_for(folder: Path, most: float) -> None:
    """Until each process has left its number there."""
    limit = time.monotonic() + most
    while not all((folder / str(number)).exists() for number in range(PROCESSES)):
        if time.monotonic() > limit:
            sys.exit(f"no step within {most} seconds")
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """Whether it is there, and not only to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def train(watcher: str, case: str, folder: str, patience: str) -> None:
    """One of the processes. Leaves its number in `folder` before the step in which it happens."""
    seconds = int(patience)
    with WATCHERS[watcher](seconds) as before_step:
        for step in range(STEPS):
            group = before_step()
            if step == STEPS // 2:
                write_atomically(Path(folder, str(rank())), str(os.getpid()))
                _read(case, seconds)
            dist.all_reduce(torch.ones(1000), group=group)
        time.sleep(10 * seconds)  # so that nobody's end is taken for a failure


def _read(case: str, patience: int) -> None:
    """What this process does before the exchange of that step."""
    if rank() == VICTIM:
        time.sleep({"reads slowly, then goes on": SLOW * patience}.get(case, 1e6))
    elif case == "killed while the others read":
        time.sleep(READING * patience)


@contextmanager
def by_gloo(patience: int) -> Iterator[Callable[[], dist.ProcessGroup | None]]:
    """An exchange that takes longer fails."""
    dist.init_process_group("gloo", timeout=distributed.PATIENCE)
    dist.barrier()  # they need longer to start
    group: Any = dist.new_group(timeout=timedelta(seconds=patience))
    yield lambda: group


@contextmanager
def by_barrier(patience: int) -> Iterator[Callable[[], dist.ProcessGroup | None]]:
    """Process 0 waits for each of the others before each step."""
    dist.init_process_group("gloo", timeout=distributed.PATIENCE)
    yield lambda: dist.monitored_barrier(timeout=timedelta(seconds=patience))


@contextmanager
def by_torchrun(patience: int) -> Iterator[Callable[[], dist.ProcessGroup | None]]:
    """Which looks every 0.1 s whether they live."""
    dist.init_process_group("gloo", timeout=distributed.PATIENCE)
    yield lambda: None


@contextmanager
def by_heartbeat(patience: int) -> Iterator[Callable[[], dist.ProcessGroup | None]]:
    """As train.py does it."""
    heartbeat.SILENT = patience
    with distributed.joined():
        yield lambda: None


WATCHERS: dict[str, Watch] = {"gloo": by_gloo, "monitored_barrier": by_barrier, "torchrun": by_torchrun,
                              "heartbeat": by_heartbeat}

if __name__ == "__main__":
    main()
