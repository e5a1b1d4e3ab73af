"""Scripts in forked processes, which need not import torch again: that takes most of the time of a tiny run."""
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from unittest.mock import patch

import torch
import torch._dynamo  # which Adam imports, for longer than a tiny training takes

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


@contextmanager
def forked_subprocesses() -> Iterator[None]:
    """Within it, and in what is started within it, whoever starts Python with a script, a module (-m) or code (-c)
    through subprocess.Popen gets a forked process; its pipes, environment, folder, session and signals are real.

    Not for tests of what a command imports, and /proc tells of the process that was forked.
    """
    start = subprocess.Popen.__init__

    def fork(self: subprocess.Popen, args: Any, *more: Any, **how: Any) -> None:
        if isinstance(args, list | tuple) and (words := _of_python([os.fspath(word) for word in args])):
            environment = os.environ if how.get("env") is None else how["env"]
            how["preexec_fn"] = partial(_never_execute, words, {**environment})
        start(self, args, *more, **how)

    with patch.object(subprocess.Popen, "__init__", fork):
        yield


def _of_python(words: list[str]) -> list[str]:
    """What stands behind `python` in a command, where it begins with a script, -m or -c; else []."""
    rest = words[2 if words[1:2] == ["-u"] else 1:]
    known = words[0] == sys.executable and rest and (rest[0] in ("-m", "-c") or rest[0].endswith(".py"))
    return rest if known else []


def _never_execute(words: list[str], environment: dict[str, str]) -> NoReturn:
    """In the child of subprocess.Popen, where standard streams are as it wants them: instead of another program."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # one of these tells the parent that a program has been started
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):  # of which torchrun wants to hear
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python does when it begins
    os.environ.clear()
    os.environ.update(environment)
    if words[0] == "-c":
        _become(lambda code, run_name: exec(words.pop(1), {"__name__": run_name}), words)
    if words[0] == "-m":
        _become(partial(runpy.run_module, alter_sys=True), words[1:])
    _become(runpy.run_path, words)


def _run(script: Path, words: Sequence[object], folder: Path, environments: Sequence[Mapping[str, object]],
         kill_when: Callable[[], bool] = lambda: False) -> list[Ended]:
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        children = {}
        for number, environment in enumerate(environments):
            pid = os.fork() or _start(script, words, folder, logs / str(number), environment)
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


def _start(script: Path, words: Sequence[object], folder: Path, log: Path, environment: Mapping[str, object]
           ) -> NoReturn:
    """In a forked process: that script, which writes to a file."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 1)
    os.dup2(1, 2)
    os.chdir(folder)
    os.environ.update({name: str(value) for name, value in environment.items()})
    _become(runpy.run_path, [str(script), *map(str, words)])


def _become(run: Callable[..., object], words: list[str]) -> NoReturn:
    """The forked process is that script, or module, from here on; so are those that it starts."""
    code = 1
    try:
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, "w" if number else "r", buffering=1, closefd=False) for number in range(3))  # noqa: SIM115
        sys.argv = words
        if run is runpy.run_path:
            sys.path.insert(0, str(Path(words[0]).parent))
        torch.set_num_threads(1)
        with forked_subprocesses():
            run(words[0], run_name="__main__")
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
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
