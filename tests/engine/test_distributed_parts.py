"""What each of several processes takes of the work, and how they watch over each other; in one process."""
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch.distributed import TCPStore

from data.loader import Loader
from engine import heartbeat
from engine.device import choose_device
from engine.heartbeat import Heartbeat
from helpers.loading import Samples, names, open_on
from raster.bad_image import BadImage
from runs.recorder import Moment
from runs.shared_results import SharedNames
from util.errors import UserError


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch):
    """Makes this process rank `rank` of `world_size`, as far as the environment says."""
    def rank_of(rank: int, world_size: int) -> None:
        for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", world_size),
                            ("LOCAL_WORLD_SIZE", world_size)):
            monkeypatch.setenv(name, str(value))
    return rank_of


def keys(batches: list[dict]) -> list[tuple]:
    return [(path, image.tolist())
            for batch in batches for path, image in zip(batch["A_paths"], batch["A"], strict=True)]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("skip", [0, 1])
def test_the_processes_share_the_batches_of_one(dataroot: Path, be, workers: int, skip: int):
    alone = keys(list(open_on(dataroot, "--batch_size 4 --seed 3").epoch(2)))
    alone = alone[skip:] + alone[:2 * skip]  # filled up from the epoch's beginning to whole steps of 2 x 1 or 2 x 2
    for size in (1, 2):
        parts = []
        for rank in (0, 1):
            be(rank, 2)
            loader = open_on(dataroot, f"--batch_size {size} --seed 3 --num_threads {workers}")
            parts.append(list(loader.epoch(2, skip)))
        steps = [keys([batch]) for pair in zip(*parts, strict=True) for batch in pair]
        found = [sample for step in steps for sample in step]
        assert found == alone[:len(found)] and len(found) == 4
        for part in parts:
            assert sum(batch["asked"] for batch in part) == 4 - skip  # what was filled up does not count
        be(0, 1)


def test_more_processes_than_images(dataroot: Path, be):
    be(4, 6)
    batches = list(open_on(dataroot, "--serial_batches --batch_size 1").epoch(1))
    assert names(batches) == [["1"]] and batches[0]["asked"] == 4


def test_in_testing_each_image_is_translated_once(dataroot: Path, be):
    found = []
    for rank in range(3):
        be(rank, 3)
        found.append(names(list(open_on(dataroot, "--batch_size 2", augment=False).first(4))))
    assert found == [[["1", "4"]], [["2"]], [["3"]]]


def test_a_process_without_a_good_image_does_not_let_the_others_wait(be):
    def unreadable(index: int) -> None:
        if index == 3:
            raise BadImage(Path("3.png"), "is empty")
    be(1, 2)
    loader = Loader(Samples(unreadable), batch_size=1, num_threads=0, seed=0, shuffle=False, skip_bad=True)
    said = "a whole batch could not be read, and 1 more processes would wait for it: .*3.png"
    with pytest.raises(UserError, match=said):
        list(loader.epoch(1))


def test_names_are_shared_out_without_doubles(be):
    sources = [Path("a/1.png"), Path("a/2.png")]
    given = []
    for rank in range(2):
        be(rank, 2)
        shared = SharedNames(sources, 5)
        given.append([shared(str(sources[number % 2])) for number in range(rank, 5, 2)])
    assert given == [["1", "1_2", "1_3"], ["2", "2_2"]]


def test_images_of_all_processes_are_counted():
    moment = Moment(1, 10).after(4).after(4)
    assert moment.images == 8 and moment.after(2).position == 1.0


@pytest.mark.parametrize("gpus, line, expected", [
    (0, "", "cpu"), (2, "", "cuda:1"), (2, "-1", "cpu"),
    (1, "", "torchrun started 2 processes on this machine, and torch .* sees 1 CUDA GPUs; "
            "give torchrun --nproc_per_node 1"),
    (2, "0,1", "--gpu_ids 0,1: torchrun started 2 processes .*leave out --gpu_ids, or give --gpu_ids -1 for the CPU"),
])
def test_each_process_takes_the_gpu_of_its_number(gpus: int, line: str, expected: str, be, monkeypatch):
    be(1, 2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    if len(expected) < 10:
        assert str(choose_device(line or "0", bool(line))) == expected
    else:
        with pytest.raises(UserError, match=expected):
            choose_device(line or "0", bool(line))


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def hearts(monkeypatch: pytest.MonkeyPatch, capsys):
    """Starts the heartbeats of three processes here; gives them, and the exit codes of their processes by rank."""
    store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=5))
    codes: dict[int, int] = {}
    hearts: list[Heartbeat] = []

    def end(code: int) -> None:
        rank = next(heart.rank for heart in hearts if threading.current_thread() in heart.threads)
        codes.setdefault(rank, code)
        hearts[rank].ended.set()
        raise Ended

    monkeypatch.setattr(heartbeat, "BEAT", 0.01)
    monkeypatch.setattr(heartbeat.os, "_exit", end)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    hearts += [Heartbeat("127.0.0.1", store.port, "test", rank, 3) for rank in range(3)]
    yield hearts, codes
    for heart in hearts:
        heart.end()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("silent", [0, 2])
def test_a_silent_process_ends_the_others(hearts, silent: int, capsys: pytest.CaptureFixture):
    hearts, codes = hearts
    hearts[silent].end()
    wait_for(lambda: len(codes) == 2)
    assert codes == {rank: 1 for rank in range(3) if rank != silent}
    said = capsys.readouterr().err
    assert said.count(f"error: process {silent} on ") == 1 and "has been silent for" in said and "--resume auto" in said


def test_a_failure_ends_all_with_its_code_and_only_the_first_speaks(hearts, capsys: pytest.CaptureFixture):
    hearts, codes = hearts
    assert hearts[1].first_to_fail(2) == (True, 2)
    assert hearts[2].first_to_fail(1) == (False, 2)
    wait_for(lambda: len(codes) == 3)  # the first as well, should it hang at its end
    assert set(codes.values()) == {2} and capsys.readouterr().err == ""


def test_processes_at_work_are_left_alone(hearts):
    hearts, codes = hearts
    before = hearts[0].store.add("beats 2", 0)
    wait_for(lambda: hearts[0].store.add("beats 2", 0) > before + 2 * heartbeat.SILENT)
    assert codes == {}


def test_without_torchrun_a_world_is_refused(monkeypatch: pytest.MonkeyPatch):
    from engine.processes import joined_processes as together

    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    said = "WORLD_SIZE is 2 in the environment, but RANK and MASTER_ADDR .* torchrun"
    with pytest.raises(UserError, match=said), together():
        pass
