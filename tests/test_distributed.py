"""Several processes train as one would, end together, and go on after one of them has died."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed_steps
import pytest
import torch
from conftest import ROOT, TINY, read_pixels
from test_resume import fingerprint, same

from util.state_file import LATEST, read_state

TRAIN = (f"{TINY} --model pix2pix --no_dropout false --norm batch --n_epochs 6 --num_threads 1 --print_freq 1 "
         "--save_latest_freq 1 --pool_size 3 --no_html")


def torchrun(options: str, *command: object) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", *options.split(), *map(str, command)]


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen]:
    """A process; it and those it started are gone afterwards."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        for pid in (*ranks(process.pid).values(), process.pid):
            if process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        process.wait()


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """Exit code and output; it must end within a minute."""
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def ranks(agent: int) -> dict[int, int]:
    """The process ids of what this torchrun started, by rank."""
    found = {}
    try:
        for pid in Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
            rank = re.search(r"\0RANK=(\d+)", Path(f"/proc/{pid}/environ").read_text())
            if rank:
                found[int(rank[1])] = int(pid)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def train_line(dataroot: Path, name: str, more: str = "") -> list[object]:
    return [ROOT / "train.py", "--dataroot", dataroot, "--name", name, *TRAIN.split(), *more.split()]


def wait_for(folder: Path, steps: int, process: subprocess.Popen) -> None:
    """Until so many steps were logged."""
    log = folder / "loss_log.txt"
    while process.poll() is None and (not log.exists() or log.read_text().count("iters:") < steps):
        time.sleep(0.01)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import write_pairs

    root = tmp_path_factory.mktemp("several")
    write_pairs(root / "train", 5)
    write_pairs(root / "test", 5)
    return root


@pytest.fixture(scope="module")
def whole(dataset: Path) -> Path:
    """The folder of a training in two processes that nobody stopped."""
    with started(torchrun("--standalone --nproc_per_node 2", *train_line(dataset, "whole")), dataset) as process:
        code, out = ended(process)
    assert code == 0, out
    (dataset / "whole.txt").write_text(out)
    return dataset / "checkpoints/whole"


def test_two_processes_learn_what_one_does(tmp_path: Path):
    with started(torchrun("--standalone --nproc_per_node 2", ROOT / "tests/distributed_steps.py", tmp_path / "steps.pth"),
                 tmp_path) as process:
        code, out = ended(process)
    assert code == 0, out
    both = torch.load(tmp_path / "steps.pth")
    for case in distributed_steps.CASES:
        alone, two = distributed_steps.steps(case), both["results"][case]
        for one, other in zip(alone["losses"], two["losses"], strict=True):
            assert one.keys() == other.keys()
            assert all(torch.allclose(one[name], other[name], rtol=0, atol=1e-9) for name in one), (case, one, other)
        for weights in both["weights"]:
            far = {name: (value - weights[case][name]).abs().max().item() for name, value in alone["weights"].items()}
            assert max(far.values()) < 1e-9, (case, far)
        assert abs(alone["validation"] - two["validation"]) < 1e-9
        assert len(two["nan"]) == 2 and two["nan"][0] == "" and two["nan"][1] == alone["nan"][0] != ""


def test_one_process_writes_and_prints(whole: Path, dataset: Path):
    out = (dataset / "whole.txt").read_text()
    assert out.count("batch: 2 images (2 processes x 1)") == out.count("device: cpu") == 1
    assert out.count("weights: checkpoints/whole") == 1
    rows = [json.loads(row) for row in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [2, 4, 5] * 6
    assert "module." not in str(list(torch.load(whole / "latest_net_G.pth")))
    assert not any(path.suffix == ".tmp" for path in whole.iterdir())
    state = read_state(whole / LATEST)
    assert len(state["ranks"]) == 2 and not torch.equal(*(own["rng"] for own in state["ranks"]))


def test_stopped_by_torchrun_and_gone_on_with(whole: Path, dataset: Path):
    folder = dataset / "checkpoints/stopped"
    run = "--standalone --nproc_per_node 2"
    with started(torchrun(run, *train_line(dataset, "stopped")), dataset) as process:
        wait_for(folder, 4, process)
        process.send_signal(signal.SIGTERM)
        code, out = ended(process)
    assert code != 0 and out.count("stopped by SIGTERM; --continue_train goes on from here") == 1, out
    state = read_state(folder / LATEST)
    assert 5 <= state["moment"]["total"] < 30
    with started(torchrun(run, *train_line(dataset, "stopped", "--continue_train")), dataset) as process:
        code, out = ended(process)
    assert code == 0, out
    assert same(fingerprint(whole), fingerprint(folder))


def test_torchrun_starts_anew_after_one_was_killed(whole: Path, dataset: Path):
    folder = dataset / "checkpoints/restarted"
    with started(torchrun("--standalone --nproc_per_node 2 --max_restarts 1", *train_line(dataset, "restarted")),
                 dataset) as process:
        wait_for(folder, 4, process)
        os.kill(ranks(process.pid)[0], signal.SIGKILL)
        code, out = ended(process)
    assert code == 0 and "going on with checkpoints/restarted in epoch" in out, out
    assert same(fingerprint(whole), fingerprint(folder))


def test_when_one_is_killed_the_others_end(dataset: Path):
    folder = dataset / "checkpoints/killed"
    with started(torchrun("--standalone --nproc_per_node 2", *train_line(dataset, "killed")), dataset) as process:
        wait_for(folder, 3, process)
        os.kill(ranks(process.pid)[1], signal.SIGKILL)
        code, out = ended(process)
    assert code != 0
    assert out.count("error: the connection to another process is lost") == 1, out
    assert "in main\n    train(" not in out  # no traceback of ours
    assert read_state(folder / LATEST)["moment"]["total"] >= 4
