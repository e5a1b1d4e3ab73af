"""Stopping a training between two steps: on a signal, or by the clock."""
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

REQUEUE = 75  # EX_TEMPFAIL: not finished, try again; above every signal
SOON = getattr(signal, "SIGUSR1", None)  # by which batch queues say that the time of a job is nearly over


class StopRequest:
    """While in its `with` block, SIGTERM and SIGINT ask to stop instead of stopping; a second one stops at once.

    SIGUSR1, where the system has it, asks for the same as max_minutes, and never stops at once.
    max_minutes: also asks after so many minutes; 0 means never.
    agree: makes one number of the numbers of all processes. at_once: what a second signal does, given its number.
    Call `check` after each step; from then on `reason` says why, '' while nobody asked. Files are written so that
    stopping at once harms none.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT, *((SOON,) if SOON else ()))

    def __init__(self, max_minutes: float = 0, agree: Callable[[int], int] = int,
                 at_once: Callable[[int], object] = lambda number: os._exit(128 + number)):
        self.deadline = time.monotonic() + 60 * max_minutes if max_minutes > 0 else float("inf")
        self.max_minutes = max_minutes
        self.agree, self.at_once = agree, at_once
        self.signal = 0
        self.agreed = 0  # number of a signal, or REQUEUE
        self.process = os.getpid()
        self.nothing_begun = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python hears signals in no other one
            self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def before_the_first_step(self) -> Iterator[None]:
        """In here Ctrl-C is a KeyboardInterrupt: there is no step to finish, and nothing to save."""
        self.nothing_begun = True
        try:
            yield
        finally:
            self.nothing_begun = False

    def check(self) -> None:
        """Look whether a signal came or the time is up, in any of the processes."""
        self.agreed = self.agree(self.signal or (REQUEUE if time.monotonic() > self.deadline else 0))

    @property
    def reason(self) -> str:
        """Why the training should stop now, or ''."""
        if self.agreed == REQUEUE:
            return f"--max_minutes {self.max_minutes:g}"
        return signal.Signals(self.agreed).name if self.agreed else ""

    @property
    def by_clock(self) -> bool:
        """Whether the time is up, by --max_minutes or a batch queue."""
        return self.agreed in (REQUEUE, SOON)

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as a shell reports it; 75 (try again) when the time is up."""
        return REQUEUE if self.by_clock else 128 + self.agreed

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:
            return  # a worker: the main process ends it
        if self.nothing_begun and number == signal.SIGINT:
            raise KeyboardInterrupt("before the first step; files that were found good are not checked again")
        if number == SOON:
            self.signal = self.signal or number
            return
        if self.signal not in (0, SOON):
            self.at_once(number)
        self.signal = number
        os.write(2, b"\nstopping after this step; once more stops at once\n")  # print is not safe in a handler
