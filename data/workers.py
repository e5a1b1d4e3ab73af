"""What worker processes are at, and how it is told when they fail or hang."""
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

from torch.utils.data import get_worker_info

from util.errors import MachineError
from util.torchrun import world_size

SHORTAGES = ("DataLoader worker (pid", "</torch_",  # died; a file in shared memory
             "open files", "No space left", "Cannot allocate memory")


class Watch:
    """Which sample each worker is at, kept in memory that the workers share with the main process."""

    def __init__(self, workers: int):
        self.pids = RawArray("q", workers)
        self.samples = RawArray("q", [-1] * workers)  # -1: none

    @contextmanager
    def at(self, index: int) -> Iterator[None]:
        """A worker is making sample `index`."""
        info = get_worker_info()
        assert info is not None, "only workers are watched"
        worker = info.id
        self.pids[worker], self.samples[worker] = os.getpid(), index
        try:
            yield
        finally:
            self.samples[worker] = -1

    def end(self, sources: Sequence[Path], seconds: float) -> MachineError:
        """Ends the workers that are making a sample; an error that names its file in `sources`."""
        stuck = {pid: index for pid, index in zip(self.pids, self.samples, strict=True) if index >= 0}
        for worker in multiprocessing.active_children():
            if worker.pid in stuck:
                worker.kill()
        files = "".join(f"\n  {sources[index % len(sources)]}" for index in stuck.values())
        at_work = f"They were reading these, or what is paired with them:{files}" if stuck else "They were not reading."
        return MachineError(
            f"the worker processes gave nothing for {seconds:g} seconds, which is --worker_timeout. {at_work}\n"
            "Does the drive answer? A larger --worker_timeout waits longer, 0 for ever")


def begin_worker(worker: int) -> None:
    """Called in each worker when it begins."""
    if world_size() > 1:
        os.setpgid(0, 0)  # torchrun's signals are sent to whole groups, and would end workers that are still needed
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process as soon as its parent has ended, even by kill -9.

    PyTorch's own look at the parent comes every 5 seconds; so long a worker would keep all that it has inherited, such
    as the lock of a run's folder.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "only workers end with their parent"
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def timed_out(error: Exception) -> bool:
    """Whether PyTorch gave up waiting for a batch."""
    return str(error).startswith("DataLoader timed out")


def is_shortage(error: Exception) -> bool:
    """Whether workers lack something; no other errors of a dataset, which arrive as 'Caught ...' with a traceback."""
    unable_to_start = isinstance(error, OSError) and not str(error).startswith("Caught ")
    return unable_to_start or any(word in _reason(error) for word in SHORTAGES)


def shortage(error: Exception) -> MachineError:
    """The error that says what workers lack."""
    return MachineError(
        f"the worker processes of --num_threads failed: {_reason(error)}.\n"
        "They may lack memory, shared memory (/dev/shm) or open files; give a smaller --num_threads, "
        "or --num_threads 0 to load images in the main process")


def _reason(error: Exception) -> str:
    """The first sentence of the last line: without the traceback before it and PyTorch's own advice after it."""
    return (str(error).splitlines() or [type(error).__name__])[-1].split(". ")[0].rstrip(".")


@contextmanager
def looking_processes(count: int, advice: str) -> Iterator[ProcessPoolExecutor]:
    """Processes that look at images, and end with this one; Ctrl-C ends what is under way, and nothing else begins.

    MachineError, with the advice, when one of them was killed.
    """
    with ProcessPoolExecutor(count, initializer=_begin_looking) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise MachineError("a process that looked at images was killed, probably for too little memory; "
                               f"{advice}") from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin_looking() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends it
    begin_worker(0)
