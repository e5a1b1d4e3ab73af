"""Workers that hang, as on a network drive that does not answer."""
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.loader import Loader
from helpers.commands import ROOT
from helpers.loading import Samples, open_on
from util.errors import UserError

HANGING = """
import signal, sys, time
sys.path[:0] = sys.argv[1:3]
from data.loader import Loader
from helpers.loading import Samples
from util.errors import UserError, exit_on

def hang(index):
    if index == 3:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as deaf as a process that waits for a drive
        time.sleep(3600)
loader = Loader(Samples(hang), batch_size=1, num_threads=2, seed=0, shuffle=False, worker_timeout=0.5)
with exit_on(UserError):
    for batch in loader.epoch(1):
        print(batch["A_paths"], flush=True)
"""


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
def test_a_worker_that_hangs_is_told_with_its_file_and_ends():
    command = [sys.executable, "-c", HANGING, str(ROOT), str(ROOT / "tests")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)  # and for its children: they hold stdout
    assert run.stdout.split() == ["['0.png']", "['1.png']", "['2.png']"]
    assert run.stderr == (
        "error: the worker processes gave nothing for 0.5 seconds, which is --worker_timeout. They were reading these, "
        "or what is paired with them:\n  3.png\n"
        "Does the drive answer? A larger --worker_timeout waits longer, 0 for ever\n")
    assert run.returncode == 1


@pytest.mark.slow
def test_workers_that_are_fast_enough_are_not_disturbed():
    loader = Loader(Samples(lambda index: time.sleep(0.01)), 1, 2, seed=0, shuffle=False, worker_timeout=60)
    for epoch in (1, 2):
        assert [batch["A_paths"] for batch in loader.epoch(epoch)] == [[f"{index}.png"] for index in range(8)]
    assert list(loader.watch.samples) == [-1, -1]


@pytest.mark.slow
def test_the_flag_reaches_the_workers_and_needs_them(dataroot: Path):
    assert open_on(dataroot, "--num_threads 2 --worker_timeout 7.5").batches.timeout == 7.5
    assert open_on(dataroot, "--num_threads 2").watch is None
    said = "--num_threads 0 has none: give --num_threads 1 or more, or leave out --worker_timeout"
    with pytest.raises(UserError, match=said):
        open_on(dataroot, "--num_threads 0 --worker_timeout 7.5")
