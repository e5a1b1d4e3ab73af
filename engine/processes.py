"""The processes that torchrun started, joined for the time of a command. Needs torch only when there are several."""
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from util.torchrun import rank, world_size


@contextmanager
def joined_processes() -> Iterator[None]:
    """In this block the processes that torchrun started can speak to each other; alone, nothing happens.

    All leave it with the same exit code: when one fails it says why, and the others end without a word. Only process 0
    prints. Raises MachineError when another process has gone.
    """
    if world_size() == 1:
        yield
        return
    from engine.distributed import joined
    with open(os.devnull, "w", encoding="utf-8") as nowhere, joined(), \
            redirect_stdout(nowhere if rank() > 0 else sys.stdout):
        yield
