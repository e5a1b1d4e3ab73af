"""The order of batches, their independence of the number of workers, and what is said when workers fail."""
import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

import pytest
import torch

from data.loader import Loader
from helpers.commands import ROOT
from helpers.images import write_image
from helpers.loading import Samples, equal, names, open_on
from util.errors import MachineError, UserError


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_do_not_depend_on_the_number_of_workers(dataroot: Path, workers: int):
    alone, helped = (open_on(dataroot, f"--num_threads {threads} --seed 5") for threads in (0, workers))
    assert helped.batches.num_workers == workers
    for epoch in (1, 2):
        assert equal(list(alone.epoch(epoch)), list(helped.epoch(epoch)))
    next(helped.epoch(3))  # an epoch left early
    assert equal(list(alone.epoch(2)), list(helped.epoch(2)))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_epoch_that_begins_later_has_the_samples_of_the_whole(dataroot: Path, workers: int, batch_size: int):
    def samples(epoch: int, skip: int = 0) -> list[tuple]:
        batches = list(loader.epoch(epoch, skip))
        assert [batch["asked"] for batch in batches] == [len(batch["A_paths"]) for batch in batches]
        return [(batch["A_paths"][i], batch["B_paths"][i], batch["A"][i].tolist(), batch["B"][i].tolist())
                for batch in batches for i in range(len(batch["A_paths"]))]
    loader = open_on(dataroot, f"--num_threads {workers} --batch_size {batch_size}")
    whole = samples(1)
    assert len(whole) == 4
    for skip in range(5):
        assert samples(1, skip) == whole[skip:]
    assert samples(1) == whole != samples(2)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_takes_nothing_of_torchs_random_numbers(dataroot: Path, workers: int):
    loader = open_on(dataroot, f"--num_threads {workers}")
    before = torch.get_rng_state()
    for epoch in (1, 2):
        list(loader.epoch(epoch))
    assert torch.equal(torch.get_rng_state(), before)


def test_every_epoch_and_every_seed_has_an_order_and_crops_of_its_own(dataroot: Path):
    loader = open_on(dataroot, "--seed 1")
    epochs = [list(loader.epoch(epoch)) for epoch in range(1, 9)]
    assert all(sorted(names(epoch)) == [["1"], ["2"], ["3"], ["4"]] for epoch in epochs)
    assert len({str(names(epoch)) for epoch in epochs}) > 3
    assert equal(epochs[3], list(open_on(dataroot, "--seed 1").epoch(4)))
    assert len({str(names(list(open_on(dataroot, f"--seed {seed}").epoch(1)))) for seed in range(8)}) > 3
    first_images = [batch["A"] for epoch in epochs for batch in epoch if batch["A_paths"][0].endswith("/1.png")]
    assert not any(torch.equal(image, first_images[0]) for image in first_images[1:])


def test_batches_hold_the_samples_in_order(dataroot: Path):
    loader = open_on(dataroot, "--serial_batches --batch_size 3 --no_flip --preprocess none")
    batches = list(loader.epoch(1))
    assert names(batches) == names(batches, "B") == [["1", "2", "3"], ["4"]]
    assert [tuple(batch["A"].shape) for batch in batches] == [(3, 3, 32, 32), (1, 3, 32, 32)]
    samples = [loader.dataset.sample(index, random.Random(0)) for index in range(4)]
    for side in "AB":
        assert torch.equal(torch.cat([batch[side] for batch in batches]), torch.stack([s[side] for s in samples]))


def test_batches_are_shuffled_only_in_training(dataroot: Path):
    def orders(line: str, augment: bool = True) -> set[str]:
        loader = open_on(dataroot, line, augment)
        return {str(names(list(loader.epoch(epoch)))) for epoch in range(1, 9)}
    in_order = {"[['1'], ['2'], ['3'], ['4']]"}
    assert orders("--serial_batches") == orders("", augment=False) == in_order
    assert len(orders("")) > 3


def test_max_dataset_size_takes_the_first_images(dataroot: Path):
    loader = open_on(dataroot, "--max_dataset_size 2")
    assert loader.images == 2 and sorted(names(list(loader.epoch(1)))) == [["1"], ["2"]]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_first_samples(dataroot: Path, workers: int):
    loader = open_on(dataroot, f"--batch_size 2 --num_threads {workers}", augment=False)
    assert names(list(loader.first(3))) == [["1", "2"], ["3"]]
    assert names(list(loader.first(99))) == names(list(loader.epoch(1))) == [["1", "2"], ["3", "4"]]
    assert list(loader.first(0)) == []


def test_a_dataset_must_give_what_the_model_needs(dataroot: Path):
    said = "--model cycle_gan needs A and B, and --dataset_mode single gives only A; leave out"
    with pytest.raises(UserError, match=said):
        open_on(dataroot / "trainA", "--dataset_mode single")
    batches = list(open_on(dataroot / "trainA", "--dataset_mode single --batch_size 4", needs=("A",)).epoch(1))
    assert [batch.keys() for batch in batches] == [{"A", "A_paths", "asked"}]
    assert batches[0]["A"].shape == (4, 3, 32, 32)


def test_the_notice_about_sizes_is_given_once(dataroot: Path):
    write_image(dataroot / "trainA/2.png", 33, 32)
    loader = open_on(dataroot, "--preprocess none")
    list(loader.epoch(1))
    assert len(loader.notices) == 1 and loader.notices[0].startswith("note: images are resized")


def test_nothing_below_the_commands_prints(dataroot: Path, train, translate, capsys: pytest.CaptureFixture):
    for folder in ("train", "val", "testA"):
        (dataroot / folder / "bad.png").touch()
    loader = open_on(dataroot, "--dataset_mode aligned --skip_bad_images --cache ram")
    assert capsys.readouterr().out == "" and [notice.split(":")[0] for notice in loader.notices] == ["note", "cache"]
    train("--model pix2pix --lr_policy plateau --skip_bad_images")
    said = capsys.readouterr().out
    assert said.count("note: 1 bad images are left out") == 2 and said.index("note: 1 bad") < said.index("epoch: 1")
    translate(f"--model test --dataroot {dataroot}/testA --skip_bad_images")
    assert capsys.readouterr().out.count("note: 1 bad images are left out") == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_named_without_a_traceback(dataroot: Path, workers: int):
    loader = open_on(dataroot, f"--num_threads {workers}")
    (dataroot / "trainA/3.png").write_text("no image")  # since it was checked
    with pytest.raises(UserError, match=r"^[^\n]*/trainA/3.png cannot be read as an image: [^\n]*$"):
        list(loader.epoch(1))


def test_different_sizes_on_either_side_cannot_form_a_batch():
    loader = Loader(Samples(lambda index: None), batch_size=2, num_threads=2, seed=0, shuffle=False)
    with pytest.raises(UserError, match=r"found 4x4 \(0.png\), 5x4 \(1.png\); give --batch_size 1"):
        next(loader.epoch(1))


@pytest.mark.skipif(not hasattr(os, "setpgid"), reason="there are no groups of processes")
@pytest.mark.parametrize("processes", [1, 2])
def test_workers_leave_the_group_that_torchrun_signals(monkeypatch: pytest.MonkeyPatch, processes: int):
    groups = RawArray("q", 8)

    def note(index: int) -> None:
        groups[index] = os.getpgrp()
    monkeypatch.setattr("data.workers.world_size", lambda: processes)
    loader = Loader(Samples(note), batch_size=1, num_threads=2, seed=0, shuffle=False)
    others = set(multiprocessing.active_children())
    batches = loader.epoch(1)
    next(batches)
    workers = {worker.pid for worker in set(multiprocessing.active_children()) - others}
    list(batches)
    assert set(groups) == ({os.getpgrp()} if processes == 1 else workers) and len(workers) == 2


def let_go(error: pytest.ExceptionInfo) -> None:
    """Let the workers end now: the frames of an error hold them until the garbage collection of some other test."""
    traceback.clear_frames(error.tb)
    gc.collect()


def die(index: int) -> None:
    if index == 3:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_is_a_matter_of_the_machine(attentive: None):
    loader = Loader(Samples(die), batch_size=1, num_threads=2, seed=0, shuffle=False)
    said = r"worker processes of --num_threads failed: (.|\n)* or --num_threads 0 to load"
    with pytest.raises(MachineError, match=said) as error:
        list(loader.epoch(1))
    let_go(error)


def test_a_worker_that_dies_during_a_step_is_told_by_the_next_batch(attentive: None, tmp_path: Path):
    def die_when_told(index: int) -> None:
        while index == 3 and not (tmp_path / "now").exists():
            time.sleep(0.01)
        die(index)
    loader = Loader(Samples(die_when_told), batch_size=1, num_threads=2, seed=0, shuffle=False)
    others = set(multiprocessing.active_children())
    batches = loader.epoch(1)
    next(batches)
    workers = set(multiprocessing.active_children()) - others
    (tmp_path / "now").touch()
    while all(worker.is_alive() for worker in workers):  # the step
        time.sleep(0.01)
    with pytest.raises(MachineError, match="--num_threads failed: ") as error:
        list(batches)
    let_go(error)


def test_a_mistake_in_a_dataset_keeps_its_traceback(attentive: None):
    def mistake(index: int) -> None:
        raise RuntimeError("worker")
    loader = Loader(Samples(mistake), batch_size=1, num_threads=2, seed=0, shuffle=False)
    with pytest.raises(RuntimeError, match="in mistake\n") as error:
        list(loader.epoch(1))
    let_go(error)


STARVED = """
import os, resource, sys
sys.path[:0] = sys.argv[1:3]
from data.loader import Loader
from helpers.loading import Samples
from util.errors import UserError, exit_on

limit, spare = getattr(resource, sys.argv[3]), int(sys.argv[4])
loader = Loader(Samples(lambda index: None), batch_size=1, num_threads=8, seed=0, shuffle=False)
used = len(os.listdir("/proc/self/fd")) if limit == resource.RLIMIT_NOFILE else 0
resource.setrlimit(limit, (used + spare, resource.getrlimit(limit)[1]))
with exit_on(UserError):
    list(loader.epoch(1))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
@pytest.mark.parametrize(("limit", "spare", "reason"), [
    ("RLIMIT_NOFILE", 16, "Too many open files"),  # not all workers start
    ("RLIMIT_FSIZE", 100, "unable to resize file </torch_"),  # workers start and cannot hand over what they load
])
def test_workers_without_resources_are_a_matter_of_the_machine(limit: str, spare: int, reason: str):
    command = [sys.executable, "-c", STARVED, str(ROOT), str(ROOT / "tests"), limit, str(spare)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    first_line = run.stderr.partition("\n")[0]
    assert first_line.startswith("error: the worker processes of --num_threads failed: ") and reason in first_line
    assert run.stderr.endswith("or --num_threads 0 to load images in the main process\n")
    assert "Traceback" not in run.stderr and run.returncode == 1
