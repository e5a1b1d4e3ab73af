"""One training a folder: a living process holds it, a dead one never does."""
import os
import signal
import time
from pathlib import Path

import pytest

from helpers.trainings import exit_code, in_child
from runs.lock import last_holder, run_lock
from util.errors import UserError


def hold(folder: Path) -> None:
    """Hold the lock with a child that outlives this process, as one that loads images may."""
    with run_lock(folder):
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
        (folder / "held").touch()
        time.sleep(60)


def test_the_lock_ends_with_its_process_and_no_child_inherits_it(tmp_path):
    child = in_child(lambda: hold(tmp_path))
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with pytest.raises(UserError, match=rf"another training is at work in .* \(process {child}\)"), run_lock(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    exit_code(child)
    with run_lock(tmp_path):
        assert (tmp_path / ".lock_holder").read_text() == f"process {os.getpid()}"
    with run_lock(tmp_path):  # and again, in the same process
        pass


def test_other_processes_of_a_training_leave_it_to_the_first(tmp_path, monkeypatch):
    with run_lock(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with run_lock(tmp_path):
            pass


def test_it_can_be_asked_who_trains(tmp_path):
    assert last_holder(tmp_path) is None
    with run_lock(tmp_path):
        assert last_holder(tmp_path) == os.getpid()
