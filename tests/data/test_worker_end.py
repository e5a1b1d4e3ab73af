"""Workers end with the process that they load for, however it ends, and let go of what they have inherited."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.commands import ROOT
from runs.lock import run_lock
from util.errors import UserError

TRAINING = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from data.loader import Loader
from helpers.loading import Samples
from runs.lock import run_lock

def act(index):
    if sys.argv[4] == "busy" and index > 3:
        time.sleep(3600)
with run_lock(Path(sys.argv[3])):
    batches = Loader(Samples(act), batch_size=1, num_threads=4, seed=0, shuffle=False).epoch(1)
    for _ in range(4):
        next(batches)
    print("trains", flush=True)
    time.sleep(3600)
"""


def seconds_until_free(folder: Path, patience: float) -> float:
    begin = time.monotonic()
    while time.monotonic() < begin + patience:
        try:
            with run_lock(folder):
                return time.monotonic() - begin
        except UserError:
            time.sleep(0.02)
    return patience


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
@pytest.mark.parametrize("workers", ["idle", "busy"])
def test_a_killed_training_leaves_no_worker_that_holds_its_lock(tmp_path: Path, workers: str):
    command = [sys.executable, "-c", TRAINING, str(ROOT), str(ROOT / "tests"), str(tmp_path), workers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout.readline() == "trains\n"
        held = f"another training is at work in .*process {training.pid}"
        with pytest.raises(UserError, match=held), run_lock(tmp_path):
            pass
        os.kill(training.pid, signal.SIGKILL)
        assert seconds_until_free(tmp_path, 8) < 2  # PyTorch alone takes up to 5
