"""--cache gives the samples that there would be without it, and reads each file once."""
import multiprocessing
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as TF

import data.base_dataset
import data.cache
from data.cache import DiskCache, RamCache, Slot, lay_out
from data.loader import Loader
from data.pixels import to_tensor
from data.scaled import ImageFile, read_scaled
from helpers.caching import fill, images, open_cached
from helpers.images import read_pixels, write_image
from helpers.loading import equal, open_on
from raster.view import read_image
from util.errors import UserError

pytestmark = pytest.mark.slow

CACHES = ("ram", "disk", "device")
LAYOUTS = {  # by name: flags, what a model needs, channels to try
    "aligned": ("--dataset_mode aligned", ("A", "B"), ((3, 3), (1, 3), (3, 1), (1, 1))),
    "aligned_two_folders": ("--dataset_mode aligned --phase folders", ("A", "B"), ((3, 3), (1, 3))),
    "aligned_back": ("--dataset_mode aligned --direction BtoA", ("A", "B"), ((1, 3),)),
    "unaligned": ("--dataset_mode unaligned", ("A", "B"), ((3, 3), (1, 3), (1, 1))),
    "single": ("--dataset_mode single", ("A",), ((3, 3), (1, 3))),
    "template": ("--dataset_mode template", ("A", "B"), ((3, 3), (1, 1))),
    "colorization": ("--dataset_mode colorization", ("A", "B"), (None,)),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A|B of 91x40 in train/; images of 45x40 in folders/A, folders/B, trainA and trainB; three each."""
    root = tmp_path / "dataset"
    for number in range(3):
        write_image(root / "train" / f"{number}.png", 91, 40, seed=number)
        for seed, folder in enumerate(("folders/A", "folders/B", "trainA", "trainB"), 1):
            write_image(root / folder / f"{number}.png", 45, 40, seed=10 * seed + number)
    return root


def without_files(root: Path, epoch: Callable[[], list]) -> list:
    """An epoch while there is no file to read."""
    root.rename(root.parent / "away")
    try:
        return epoch()
    finally:
        (root.parent / "away").rename(root)


@pytest.mark.parametrize("preprocess", ["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_samples_are_those_without_a_cache(root: Path, layout: str, preprocess: str):
    flags, needs, channels = LAYOUTS[layout]
    if layout == "single":
        root = root / "trainA"
    for both in channels:
        line = f"{flags} --preprocess {preprocess} --crop_size 30 --seed 3"  # 30 is then fitted to 32
        line += f" --input_nc {both[0]} --output_nc {both[1]}" if both else ""
        plain = open_on(root, line, needs=needs)
        epochs = [list(plain.epoch(epoch)) for epoch in (1, 2)]
        for cache in CACHES:
            cached = open_cached(root, cache, line, needs)
            assert equal(list(cached.epoch(1)), epochs[0]), cache
            assert cached.dataset.cache.missing() == [] or layout == "unaligned"
            cached.dataset.cache.fill(cached.dataset.read_file)
            assert equal(without_files(root, lambda loader=cached: list(loader.epoch(2))), epochs[1]), cache


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="only a forked worker sees the patch")
@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("layout", ["aligned", "template"])
def test_workers_fill_one_cache_and_read_each_file_once(root: Path, monkeypatch, layout: str, cache: str):
    def counted(file: ImageFile, *how) -> list:
        reads[int(file.path.stem)] += 1
        return read_scaled(file, *how)
    reads = RawArray("q", 3)
    plain = open_on(root, f"{LAYOUTS[layout][0]} --seed 3")
    epochs = [list(plain.epoch(epoch)) for epoch in (1, 2)]
    monkeypatch.setattr(data.base_dataset, "read_scaled", counted)
    helped = open_cached(root, cache, f"{LAYOUTS[layout][0]} --seed 3 --num_threads 2")
    assert equal(list(helped.epoch(1)), epochs[0])
    assert list(reads) == [1, 1, 1]
    assert equal(without_files(root, lambda: list(helped.epoch(2))), epochs[1])


@pytest.mark.slow
@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_workers_leave_when_the_cache_is_full(root: Path, layout: str, cache: str):
    flags, needs, _ = LAYOUTS[layout]
    plain = open_on(root, f"{flags} --seed 3", needs=needs)
    helped = open_cached(root, cache, f"{flags} --seed 3 --num_threads 2", needs)
    workers = [helped.batches.num_workers]
    for epoch in (1, 2):  # the second first reads what the random Bs of the first left out
        assert equal(list(helped.epoch(epoch)), list(plain.epoch(epoch)))
        workers.append(helped.batches.num_workers)
    assert workers == ([0, 0, 0] if cache == "device" else [2, 2, 0])
    assert helped.dataset.cache.missing() == []
    again = open_cached(root, cache, f"{flags} --seed 3 --num_threads 2", needs)
    assert equal(list(again.epoch(2)), list(plain.epoch(2)))
    assert again.batches.num_workers == (2 if cache == "ram" else 0)


@pytest.mark.slow
def test_processes_that_are_spawned_share_the_cache(root: Path):
    layout = lay_out(images(root / "trainA"), dict.fromkeys((root / "trainA").iterdir(), (45, 40)))
    caches = RamCache(layout), DiskCache(layout, root.parent, fast_decode=False, ranges={})
    process = multiprocessing.get_context("spawn").Process(target=fill, args=caches)
    process.start()
    process.join()
    for cache in caches:
        assert cache.missing() == []
        for file, slot in layout.items():
            assert np.array_equal(cache.pixels(slot).permute(1, 2, 0), read_pixels(file.path))


def test_a_file_that_changed_its_size_or_is_not_known_is_read_each_time(root: Path):
    known, other = images(root / "trainA")[:2]
    cache = RamCache(lay_out([known], {known.path: (45, 40)}))
    write_image(known.path, 20, 20)
    for file, size in ((known, (20, 20)), (other, (45, 40))):
        (image,) = cache.read(file, lambda file: [read_image(file.path, 3)])
        assert image.size == size
    assert cache.missing() == [known]


# Errors

@pytest.mark.parametrize("cache", ["none", *CACHES])
@pytest.mark.parametrize("workers", [0, 2])
def test_files_that_rot_are_named_or_left_out_as_without_a_cache(root: Path, cache: str, workers: int):
    line = f"--dataset_mode aligned --serial_batches --num_threads {workers}"
    left_out, stops = (open_cached(root, cache, f"{line} {flag}") for flag in ("--skip_bad_images", ""))
    (root / "train/1.png").write_bytes(b"rot")
    if cache == "device":  # it has read them all by now
        left_out, stops = rotten(left_out), rotten(stops)
    for epoch in (1, 2):
        assert [Path(path).name for batch in left_out.epoch(epoch) for path in batch["A_paths"]] == ["0.png", "2.png"]
    told = f"{root}/train/1.png cannot be read as an image: it is no image, or its header is damaged"
    assert left_out.skipped == [told, told]
    with pytest.raises(UserError, match=r"train/1.png cannot be read as an image"):
        list(stops.epoch(1))


def rotten(loader: Loader) -> Loader:
    """As if 1.png had been bad when the cache was filled."""
    cache = loader.dataset.cache
    cache.filled[1] = 0
    cache.fill(loader.dataset.read_file)
    assert [file.path.name for file in cache.missing()] == ["1.png"]
    return loader


def test_bad_images_take_no_slot(root: Path):
    (root / "train/1.png").write_bytes(b"")
    loader = open_cached(root, "ram", "--dataset_mode aligned --skip_bad_images")
    assert loader.notices[-1] == "cache: 4 images, 0.0156 MB in memory"


def test_a_device_cache_has_no_workers_to_watch(root: Path):
    with pytest.raises(UserError, match="--cache device has none: give --cache ram, or leave out --worker_timeout"):
        open_cached(root, "device", "--num_threads 2 --worker_timeout 9")
    assert open_cached(root, "device", "--num_threads 2").batches.num_workers == 0


def test_slots_lie_behind_each_other(tmp_path: Path):
    pair, gray = ImageFile(tmp_path / "1", (3, 1)), ImageFile(tmp_path / "2", (1,))
    layout = lay_out([pair, gray, pair], {pair.path: (5, 4), gray.path: (2, 3)})
    assert layout == {pair: Slot(0, 2, (4, 4, 5)), gray: Slot(1, 82, (1, 3, 2))}
    assert data.cache.size_in_bytes(layout) == 88


# The commands

def test_training_and_translating_with_a_cache(train, translate, dataroot: Path, capsys: pytest.CaptureFixture):
    def run(cache: str) -> tuple[dict, list]:
        folder = train(f"--model pix2pix --n_epochs 2 --cache {cache}")
        weights = torch.load(folder / "latest_net_G.pth")
        results = translate(f"--model pix2pix --cache {cache}")
        return weights, [read_pixels(path).tolist() for path in sorted((results / "images").iterdir())]
    plain = run("none")
    for cache in CACHES:
        capsys.readouterr()
        weights, pictures = run(cache)
        assert all(torch.equal(weights[name], value) for name, value in plain[0].items())
        assert pictures == plain[1]
        assert capsys.readouterr().out.count("cache: 8 images, ") == 2


def test_validation_has_a_cache_of_its_own(train, capsys: pytest.CaptureFixture, monkeypatch, failure):
    train("--model pix2pix --lr_policy plateau --cache ram")
    assert capsys.readouterr().out.count("cache: 8 images, ") == 2
    rooms = iter([1e9, 10])
    monkeypatch.setattr(data.cache, "free_shared_memory", lambda: next(rooms))
    code, said = failure(train, "--model pix2pix --lr_policy plateau --cache ram")
    assert code == 1 and "--val_phase val: --cache ram needs " in said


def test_levels_are_torchvisions():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    exact = TF.normalize(TF.to_dtype(levels, torch.float32, scale=True), [0.5], [0.5])
    assert torch.equal(to_tensor(levels), exact)
    assert torch.equal(to_tensor(TF.to_pil_image(levels)), exact)
