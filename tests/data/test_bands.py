"""Any number of channels: what trains, and what is refused at start."""
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from data.loader import Loader, open_loader
from engine.engine import Engine
from helpers.commands import TINY
from models.network_options import image_sizes
from options.command_line import parse
from train import COMMAND
from util.errors import UserError


def write_bands(path: Path, channels: int, dtype: type, seed: int = 0) -> Path:
    """A picture of 64x64 whose bands are smooth and differ."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waves = np.sin(np.arange(64)[:, None] / 9 + np.arange(channels) + seed) + np.zeros((64, 64, 1))
    np.save(path, (waves * 1000 + 1000).astype(dtype))
    return path


@pytest.fixture
def bands(tmp_path: Path) -> Path:
    """Pairs: two bands of 16 bits in A, three of floating point numbers in B."""
    for number in range(2):
        for side, channels, dtype in (("A", 2, np.uint16), ("B", 3, np.float32)):
            write_bands(tmp_path / f"train/{side}/{number}.npy", channels, dtype, number)
    return tmp_path


@pytest.mark.parametrize("line", ["--model pix2pix", "--model cycle_gan --lambda_identity 0", "--model bigan",
                                  "--model cogan", "--model pix2pix --cache ram"])
def test_two_bands_become_three(bands: Path, line: str):
    opt = parse(COMMAND, f"--dataroot {bands} {TINY} --input_nc 2 --output_nc 3 --num_threads 0 {line}".split())
    loader = open_loader(opt, ("A", "B"), *image_sizes(opt, training=True), augment=True)
    batch = next(loader.epoch(1))
    assert (batch["A"].shape[1], batch["B"].shape[1]) == (2, 3)
    assert loader.dataset.ranges_used == {"input_range": "uint16:0,4095", "output_range": loader.dataset.ranges_used[
        "output_range"]} and loader.dataset.ranges_used["output_range"].startswith("float32:")
    engine = Engine(models.find(opt.model)(opt), torch.device("cpu"))
    engine.prepare_training(opt.lr, opt.beta1)
    report = engine.step(batch, epoch=1, images=0)
    report.require_finite()
    assert report.images["sample_B" if opt.model == "cogan" else "fake_B"].shape[1] == 3


@pytest.mark.parametrize(("line", "said"), [
    ("--model cycle_gan", "the identity loss needs the same number of channels on both sides, found --input_nc 2 and "
                          "--output_nc 3; give --lambda_identity 0"),
    ("--model simgan", "so both need the same channels; found --input_nc 2 and --output_nc 3"),
    ("--model feature_gan", "--input_nc 2 is not possible with --model feature_gan; expected 1 or 3"),
    ("--model colorization --dataset_mode aligned", "--input_nc 2 is not possible with --model colorization; expected"),
    ("--model pix2pix --dataset_mode template", "needs equal channels, found --input_nc 2 and --output_nc 3"),
    ("--model pix2pix --val_freq 1 --val_phase train --val_metrics lpips --output_nc 2",
     "--val_metrics lpips measures pictures that are gray or RGB, and those of B have 2 channels; leave it out"),
    ("--model cycle_gan --lambda_identity 0 --val_freq 1 --val_phase train --val_metrics fid",
     "--val_metrics fid measures pictures that are gray or RGB, and those of A have 2 channels"),
])
def test_what_many_channels_do_not_allow_is_said_at_start(train: Callable, failure: Callable, bands: Path, line: str,
                                                          said: str):
    code, told = failure(train, f"--dataroot {bands} --input_nc 2 --output_nc 3 {line}")
    assert code == 2 and said in told


# Pages

def write_pages(path: Path, count: int) -> Path:
    """A TIFF whose pages are gray and hold 100 times their number."""
    import tifffile

    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as file:
        for page in range(1, count + 1):
            file.write(np.full((40, 40), 100 * page, np.uint16), photometric="minisblack")
    return path


def open_pages(root: Path, line: str) -> Loader:
    gray = "--preprocess none --input_nc 1 --output_nc 1 --num_threads 0"
    return open_loader(parse(COMMAND, f"--dataroot {root} {gray} {line}".split()), ("A",), 4, 8, augment=False)


def values(loader: Loader) -> dict[str, float]:
    """What each sample of A holds, in the values of its file, by the name of its page."""
    whole = loader.dataset.ranges
    return {Path(path).name: whole[Path(path)].from_unit(image.numpy(), np.dtype(np.float64)).mean().round(3)
            for batch in loader.epoch(1) for path, image in zip(batch["A_paths"], batch["A"], strict=True)}


def test_pages_are_images_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_pages(tmp_path / "images/1.tif", 3)
    write_pages(tmp_path / "images/2.tif", 1)
    line = "--dataset_mode single"
    first = open_pages(tmp_path / "images", line)
    assert values(first) == {"1.tif": 100, "2.tif": 100}
    assert first.notices[0] == (f"note: 1 of 2 images have several pages or frames, such as {tmp_path}/images/1.tif "
                                "with 3; the first of each is read, --page all takes every one")
    every = open_pages(tmp_path / "images", f"{line} --page all")
    assert values(every) == {"1.p1.tif": 100, "1.p2.tif": 200, "1.p3.tif": 300, "2.tif": 100}
    assert every.notices[0] == "note: --page all: 3 pages of 1 files are images of their own"
    assert not any("several pages" in line for line in every.notices)
    assert values(open_pages(tmp_path / "images/1.tif", f"{line} --page all")) == {
        "1.p1.tif": 100, "1.p2.tif": 200, "1.p3.tif": 300}
    assert values(open_pages(tmp_path / "images", f"{line} --page all --max_dataset_size 2")) == {
        "1.p1.tif": 100, "1.p2.tif": 200}
    second = open_pages(tmp_path / "images/1.tif", f"{line} --page 2")
    assert values(second) == {"1.p2.tif": 200}
    with pytest.raises(UserError, match=r"--page 4: 1 of 2 files have fewer pages, such as \S*1.tif; give --page all"):
        open_pages(tmp_path / "images", f"{line} --page 4")
    monkeypatch.setattr("data.pages.MOST", 2)
    with pytest.raises(UserError, match=r"--page all: the files say that they have 3 pages, \S*1.tif alone 3"):
        open_pages(tmp_path / "images", f"{line} --page all")
    with pytest.raises(UserError, match="--page last is no page; expected a number from 1 on, or all"):
        open_pages(tmp_path / "images", f"{line} --page last")


@pytest.mark.parametrize("cache", ["none", "ram", "disk", "device"])
def test_pages_of_pairs_belong_together(tmp_path: Path, cache: str):
    for side in "AB":
        write_pages(tmp_path / f"data/train/{side}/1.tif", 2)
    line = f"--dataset_mode aligned --page all --cache {cache} --checkpoints_dir {tmp_path}"
    loader = open_pages(tmp_path / "data", line)
    for epoch in (1, 2):
        batches = list(loader.epoch(epoch))
        assert [Path(batch["B_paths"][0]).name for batch in batches] == ["1.p1.tif", "1.p2.tif"]
        assert all(torch.equal(batch["A"], batch["B"]) for batch in batches)
        assert not torch.equal(batches[0]["A"], batches[1]["A"])
