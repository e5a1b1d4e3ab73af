"""--cache disk outlives its run and whatever ends it; every cache says so when it has no room."""
import errno
import os
import shutil
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
    killed, beside = (DiskCache(layout, dataroot.parent, fast_decode=False, bits={}) for _ in range(2))
    first, second, *_ = layout
    killed.pixels(layout[first])[:] = 7  # and dies
    killed.pixels(layout[second])[0] = 9
    fill(beside)
    for cache in (killed, beside, DiskCache(layout, dataroot.parent, fast_decode=False, bits={})):
        assert cache.missing() == []
        assert np.array_equal(cache.pixels(layout[first]).permute(1, 2, 0), read_pixels(first.path))


def test_bytes_are_on_the_disk_before_a_slot_counts_as_filled(dataroot: Path, monkeypatch):
    def power_cut(self, begin: int, end: int) -> None:
        raise OSError(errno.EIO, "power cut")
    layout = lay_out(images(dataroot / "trainA"), dict.fromkeys((dataroot / "trainA").iterdir(), (32, 32)))
    cache = DiskCache(layout, dataroot.parent, fast_decode=False, bits={})
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


def test_what_is_free_is_known():
    assert data.room.free_shared_memory() <= data.room.free_memory() == pytest.approx(
        data.room.free_on(torch.device("cpu")), rel=0.5)
    assert 1e6 < data.room.free_memory() < 1e15
    assert [data.room.amount(size) for size in (10, 98_200_000, 3_456_000_000)] == ["1e-05 MB", "98.2 MB", "3.46 GB"]
