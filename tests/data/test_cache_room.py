"""--cache disk outlives its run and whatever ends it; every cache says so when it has no room."""
import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import data.cache
import data.cache_file
import data.room
from data.cache import DiskCache, lay_out
from helpers.caching import fill, images, open_cached
from helpers.images import read_pixels
from util.errors import MachineError


def files_there(dataroot: Path, line: str = "") -> tuple[str, str]:
    """Opens and fills a disk cache; its name and how many files it held."""
    loader = open_cached(dataroot, "disk", f"--dataset_mode aligned {line}")
    list(loader.epoch(1))
    words = loader.notices[-1].split()
    return Path(words[6]).name, " ".join(words[7:])


def test_a_second_run_finds_the_cache_on_disk_unless_something_changed(dataroot: Path):
    name, found = files_there(dataroot)
    assert found == "(0 of 4 files were there)"
    assert os.listdir(dataroot.parent / "runs/image_cache") == [name]
    assert files_there(dataroot, "--seed 8 --no_flip") == (name, "(4 of 4 files were there)")
    changes = ["--fast_decode", "--load_size 40", "--input_nc 1", "--preprocess none", "--max_dataset_size 2"]
    names = {files_there(dataroot, line)[0] for line in changes}
    os.utime(dataroot / "train/1.png", ns=(5, 5))
    names.add(files_there(dataroot)[0])
    assert len(names - {name}) == 6


def test_a_slot_that_was_not_completed_is_filled_anew(dataroot: Path):
    layout = lay_out(images(dataroot / "trainA"), dict.fromkeys((dataroot / "trainA").iterdir(), (32, 32)))
    killed, beside = (DiskCache(layout, dataroot.parent, fast_decode=False, ranges={}) for _ in range(2))
    first, second, *_ = layout
    killed.pixels(layout[first])[:] = 7  # and dies
    killed.pixels(layout[second])[0] = 9
    fill(beside)
    for cache in (killed, beside, DiskCache(layout, dataroot.parent, fast_decode=False, ranges={})):
        assert cache.missing() == []
        assert np.array_equal(cache.pixels(layout[first]).permute(1, 2, 0), read_pixels(first.path))


def test_bytes_are_on_the_disk_before_a_slot_counts_as_filled(dataroot: Path, monkeypatch):
    def power_cut(self, begin: int, end: int) -> None:
        raise OSError(errno.EIO, "power cut")
    layout = lay_out(images(dataroot / "trainA"), dict.fromkeys((dataroot / "trainA").iterdir(), (32, 32)))
    cache = DiskCache(layout, dataroot.parent, fast_decode=False, ranges={})
    monkeypatch.setattr(data.cache_file.MappedFile, "save", power_cut)
    with pytest.raises(OSError, match="power cut"):
        fill(cache)
    assert len(cache.missing()) == 4


@pytest.mark.parametrize(("cache", "where", "said"), [
    ("ram", "free_shared_memory",
     "--cache ram needs 0.0311 MB of memory, where 1e-05 MB are free; give --cache disk or"),
    ("device", "free_on", "--cache device needs 0.0311 MB on cpu, where 1e-05 MB are free; give --cache ram, "),
])
def test_too_little_memory(dataroot: Path, monkeypatch, cache: str, where: str, said: str):
    monkeypatch.setattr(data.cache, where, lambda *_: 10)
    with pytest.raises(MachineError, match=said):
        open_cached(dataroot, cache, "--dataset_mode aligned")


@pytest.mark.parametrize("full", ["known before", "found out"])
def test_a_disk_without_room(dataroot: Path, monkeypatch, full: str):
    def refuse(*_) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if full == "known before":
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    said = r"--cache disk .*; give --checkpoints_dir on a larger disk, --cache ram or "
    with pytest.raises(MachineError, match=said):
        open_cached(dataroot, "disk", "--dataset_mode aligned")
    assert os.listdir(dataroot.parent / "runs/image_cache") == []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the machine tell of so many kB of free memory, the limit of its container, and free bytes by folder."""
    def write(path: str, text: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def tell(available: int, limit: str = "max", shared: dict[str, int] | None = None) -> None:
        write("proc/meminfo", f"MemTotal:       9000000 kB\nMemFree:        1 kB\nMemAvailable:   {available} kB\n")
        write("proc/self/cgroup", "0::/queue/job\n")
        write("sys/fs/cgroup/queue/job/memory.max", f"{limit}\n")
        room = shared or {"/dev/shm": 10**15}
        monkeypatch.setattr(os.path, "isdir", room.__contains__)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**15, 0, room[folder]))
        monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    monkeypatch.setattr(data.room, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    return tell


@pytest.mark.parametrize("told, memory, shared", [
    ({"available": 2000}, 2_048_000, 2_048_000),
    ({"available": 2000, "limit": "1500000"}, 1_500_000, 1_500_000),  # of a container
    ({"available": 2000, "limit": "9500000"}, 2_048_000, 2_048_000),
    ({"available": 2000, "shared": {"/dev/shm": 7, "/tmp": 900}}, 2_048_000, 900),  # Python shares in either
    ({"available": 2000, "shared": {"/tmp": 900}}, 2_048_000, 900),
])
def test_what_is_free_is_known(machine: Callable[..., None], told: dict, memory: int, shared: int):
    machine(**told)
    assert data.room.free_memory() == data.room.free_on(torch.device("cpu")) == memory
    assert data.room.free_shared_memory() == shared


def test_this_machine_has_memory():
    assert 1e6 < data.room.free_memory() < 1e15


def test_amounts_are_readable():
    assert [data.room.amount(size) for size in (10, 98_200_000, 3_456_000_000)] == ["1e-05 MB", "98.2 MB", "3.46 GB"]
