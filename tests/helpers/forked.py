"""Scripts in forked processes, which need not import torch again: that takes most of the time of a tiny run."""
import os
import runpy
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

MOST_SECONDS = 120

Ended = tuple[int, str]
"""Exit code, and what was said to stdout and stderr."""


def forked(script: Path, words: Sequence[object], folder: Path) -> Ended:
    """Run a script with these words in that folder, as `python script words` does."""
    return _run(script, words, folder, [{}])[0]


def forked_ranks(count: int, script: Path, words: Sequence[object], folder: Path,
                 kill_when: Callable[[], bool] = lambda: False) -> list[Ended]:
    """The same in several processes, which find each other as those that torchrun starts do. kill_when: all, at once.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environments = [{**shared, "RANK": rank, "LOCAL_RANK": rank} for rank in range(count)]
    return _run(script, words, folder, environments, kill_when)


def _run(script: Path, words: Sequence[object], folder: Path, environments: Sequence[Mapping[str, object]],
         kill_when: Callable[[], bool] = lambda: False) -> list[Ended]:
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        children = {}
        for number, environment in enumerate(environments):
            pid = os.fork() or _become(script, words, folder, logs / str(number), environment)
            children[pid] = number
            stack.callback(_kill, pid)
        codes = dict.fromkeys(children, -1)
        deadline = time.monotonic() + MOST_SECONDS
        waiting = set(children)
        while waiting and time.monotonic() < deadline:
            for pid in waiting if kill_when() else ():
                os.kill(pid, signal.SIGKILL)
            for pid in list(waiting):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    waiting.remove(pid)
                    codes[pid] = os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        return [(codes[pid], (logs / str(number)).read_text()) for pid, number in children.items()]


def _become(script: Path, words: Sequence[object], folder: Path, log: Path, environment: Mapping[str, object]) -> int:
    """Never returns: the forked process is that script from here on."""
    code = 1
    try:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 1)
        os.dup2(1, 2)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        os.chdir(folder)
        os.environ.update({name: str(value) for name, value in environment.items()})
        sys.argv = [str(script), *map(str, words)]
        sys.path.insert(0, str(script.parent))
        torch.set_num_threads(1)
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _kill(pid: int) -> None:
    """If it still runs."""
    try:
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    except ChildProcessError:
        pass
