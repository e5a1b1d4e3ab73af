"""Tells the processes of a training when one of them has died, froze or failed, whatever they are waiting in."""
import os
import sys
import threading
from datetime import timedelta
from socket import gethostname

from torch.distributed import PrefixStore, TCPStore

BEAT = 1.0  # seconds between two signs of life
SILENT = 30  # beats that a process, or the store, may be silent
LEAVING = 10  # beats that a process has to end after it failed
GO_ON = "What was saved last is kept: train.py --resume auto goes on from it, test.py --output FOLDER from what is done"


class Heartbeat:
    """A thread that gives a sign of life every second to a store all processes share, and looks for those of others.

    Process 0 looks at all, the others look at process 0, so that n processes send about 3n messages a second. Silence
    is counted in own beats: suspending a whole machine harms nobody. A process at work is never silent, however long it
    takes, as the thread goes on beside it.
    """

    def __init__(self, host: str, port: int, start: str, rank: int, world_size: int):
        """host, port: of the TCPStore that torchrun, or process 0, keeps; start: the same in all, new at each start."""
        store = TCPStore(host, port, is_master=False, timeout=timedelta(minutes=1))
        self.store = PrefixStore(f"heartbeat {start}", store)
        self.where, self.rank = f"{host}:{port}", rank
        self.watched = range(1, world_size) if rank == 0 else range(1)
        self.counts = dict.fromkeys(self.watched, 0)
        self.silent = dict.fromkeys(self.watched, 0)
        self.unanswered = self.leaving = 0
        self.ended = threading.Event()
        self.store.set(f"host {rank}", gethostname())
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._beat, self._guard)]
        for thread in self.threads:
            thread.start()

    def first_to_fail(self, exit_code: int) -> tuple[bool, int]:
        """Says that this process failed. (Whether it is the first one, the exit code of the first one.)"""
        mine = f"{self.rank} {exit_code}"
        try:
            first = self.store.compare_set("failed", "", mine).decode()
        except RuntimeError:  # the store has gone as well
            first = mine
        return first == mine, int(first.split()[1])

    def end(self) -> None:
        """No more signs of life, and nobody is watched."""
        self.ended.set()
        self.threads[0].join(BEAT)

    def _beat(self) -> None:
        while not self.ended.wait(BEAT):
            try:
                self.store.add(f"beats {self.rank}", 1)
                self._look()
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
                self._fail(f"the connection to {self.where}, where torchrun keeps the processes together, is lost: "
                           f"{reason}")
            self.unanswered = 0

    def _look(self) -> None:
        """Whether one of the others failed, or has been silent for too long."""
        if self.store.check(["failed"]):
            first, code = map(int, self.store.get("failed").split())
            self.leaving += 1
            if self.leaving > (LEAVING if first == self.rank else 1):
                os._exit(code)
        for other in self.watched:
            count = self.store.add(f"beats {other}", 0)
            self.silent[other] = 0 if count != self.counts[other] else self.silent[other] + 1
            self.counts[other] = count
            if self.silent[other] > SILENT:
                host = self.store.get(f"host {other}").decode()
                self._fail(f"process {other} on {host} has been silent for {SILENT * BEAT:.0f} seconds: it was "
                           "killed or is frozen, or its machine has gone")

    def _guard(self) -> None:
        """The store itself may be silent, when its machine has gone; `_beat` then waits for ever."""
        while not self.ended.wait(BEAT):
            self.unanswered += 1
            if self.unanswered > SILENT:
                self._end(f"{self.where}, where torchrun keeps the processes together, has been silent for "
                          f"{SILENT * BEAT:.0f} seconds", 1)

    def _fail(self, reason: str) -> None:
        """Ends the process; the first to fail gives the reason."""
        if self.ended.is_set():
            return
        first, code = self.first_to_fail(1)
        self._end(reason if first else "", code)

    @staticmethod
    def _end(reason: str, code: int) -> None:
        if reason:
            print(f"error: {reason}.\n{GO_ON}", file=sys.stderr, flush=True)
        os._exit(code)  # the other thread may wait for what never comes
