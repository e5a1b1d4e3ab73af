"""--fast_decode reads JPEGs at a part of their size, never smaller than they are scaled to; pixels hardly differ."""
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import data.scaled
from data.base_dataset import BaseDataset
from helpers.datasets import make
from helpers.images import write_image
from raster.view import read_image

pytestmark = pytest.mark.slow

SCALES = "--load_size 36 --crop_size 32"


@pytest.fixture
def decoded(monkeypatch) -> list[tuple[int, int]]:
    """The sizes in which images are decoded."""
    def turned_upright(image: Image.Image, channels: int) -> Image.Image:
        sizes.append(image.size)
        return original(image, channels)
    sizes, original = [], data.scaled.turned_upright
    monkeypatch.setattr(data.scaled, "turned_upright", turned_upright)
    return sizes


def photo(path: Path, width: int, height: int, **how) -> Path:
    """A smooth image as a file of the kind that its ending says."""
    smooth = Image.open(write_image(path.with_suffix(".png"), width, height, seed=width))
    path.with_suffix(".png").unlink()
    smooth.save(path, **how)
    return path


def both(root: Path, mode: str, line: str) -> tuple[BaseDataset, BaseDataset]:
    """The dataset with and without --fast_decode."""
    return make(root, mode, f"{line} --fast_decode"), make(root, mode, line)


def same(fast: Sequence[Image.Image], exact: Sequence[Image.Image], most: float) -> bool:
    """Whether sizes are equal, and pixels so nearly as `most`, of 255, on average."""
    return len(fast) == len(exact) and all(
        one.size == other.size and one.mode == other.mode
        and np.abs(np.asarray(one, float) - np.asarray(other, float)).mean() <= most
        for one, other in zip(fast, exact, strict=True))


@pytest.mark.parametrize(("size", "mode", "part"), [
    ((600, 600), "resize_and_crop", 8), ((200, 290), "resize_and_crop", 4), ((73, 290), "resize_and_crop", 2),
    ((72, 72), "resize_and_crop", 2), ((71, 290), "resize_and_crop", 1), ((30, 30), "resize_and_crop", 1),
    ((299, 157), "scale_width", 4), ((150, 600), "scale_width", 4), ((300, 40), "scale_width_and_crop", 1),
    ((300, 128), "scale_width_and_crop", 4), ((600, 600), "crop", 1), ((600, 600), "none", 1),
])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_decoded_and_what_becomes_of_it(tmp_path: Path, decoded: list, size: tuple, mode: str, part: int,
                                                channels: int):
    path = photo(tmp_path / "1.jpg", *size)
    fast, exact = both(tmp_path, "single", f"{SCALES} --preprocess {mode}")
    images = fast.read(path, channels)
    width, height = decoded.pop()
    assert (width, height) == tuple(-(-side // part) for side in size)
    assert part == 1 or (width >= images[0].width and height >= images[0].height)
    assert images[0].size == fast.preprocess.scaled(size)
    assert same(images, exact.read(path, channels), most=3 if part > 1 else 0)
    assert decoded == [size]


def test_without_the_flag_nothing_changes(tmp_path: Path):
    path = photo(tmp_path / "1.jpg", 600, 600)
    fast, exact = both(tmp_path, "single", SCALES)
    asis = read_image(path, 3).resize((36, 36), Image.Resampling.BICUBIC)
    assert same(exact.read(path, 3), [asis], most=0)
    assert not same(fast.read(path, 3), [asis], most=0)


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "tif"])
def test_other_formats_are_read_as_ever(tmp_path: Path, ending: str):
    path = photo(tmp_path / f"1.{ending}", 600, 600)
    fast, exact = both(tmp_path, "single", SCALES)
    assert same(fast.read(path, 3), exact.read(path, 3), most=0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path: Path, decoded: list, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = photo(tmp_path / "1.jpg", 400, 150, exif=exif)
    fast, exact = both(tmp_path, "single", f"{SCALES} --preprocess scale_width_and_crop")
    assert same(fast.read(path, 3), exact.read(path, 3), most=3)
    lies = orientation >= 5  # 150 wide and 400 high: scaled to 36x96, else to 36x32
    assert fast.read(path, 3)[0].size == ((36, 96) if lies else (36, 32))
    assert set(decoded) == {(400, 150), (100, 38)}


@pytest.mark.parametrize("width", [600, 606, 601])
def test_sides_of_a_pair_in_one_file_do_not_mix(tmp_path: Path, decoded: list, width: int):
    """The whole file must be large enough for two; A is black, B white."""
    pair = Image.new("L", (width, 290))
    pair.paste(255, (-(-width // 2), 0, width, 290))
    (tmp_path / "train").mkdir()
    pair.save(tmp_path / "train/1.jpg")
    fast, exact = both(tmp_path, "aligned", f"{SCALES} --input_nc 1")
    path = fast.sources()[0]
    images = fast.read(path, 1, 3)
    assert decoded == [(-(-width // 8), 37)]
    assert [(image.mode, image.size) for image in images] == [("L", (36, 36)), ("RGB", (36, 36))]
    assert same(images, exact.read(path, 1, 3), most=3)
    assert np.asarray(images[0])[:, :-2].max() < 20 and np.asarray(images[1])[:, 2:].min() > 235


def test_samples_have_the_same_crops_and_flips(tmp_path: Path):
    for side in "AB":
        photo(tmp_path / f"trainA/{side}.jpg", 300, 300)
        photo(tmp_path / f"trainB/{side}.jpg", 301, 300)
    fast, exact = both(tmp_path, "unaligned", SCALES)
    for seed in range(8):
        one, other = (dataset.sample(0, random.Random(seed)) for dataset in (fast, exact))
        assert one["B_paths"] == other["B_paths"]
        for side in "AB":
            assert one[side].shape == (3, 32, 32)
            assert 0 < (one[side] - other[side]).abs().mean() < 0.03
            assert not torch.allclose(one[side], other[side].flip(2), atol=0.1)
