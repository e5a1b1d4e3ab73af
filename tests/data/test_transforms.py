"""Sizes, crops and flips: exact sizes, Pillow's own pixels, and the checks before the first step."""
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import data
from data.check import check_images, check_sizes
from data.loader import open_loader
from data.pixels import to_tensor
from data.transforms import Preprocess
from helpers.images import write_image, write_pairs
from options.command_line import parse
from options.schema import Options
from train import COMMAND
from util.errors import UserError


def options(line: str) -> Options:
    return parse(COMMAND, f"--dataroot nowhere {line}".split())


def transform(image: Image.Image, line: str, seed: int = 0, **how) -> Image.Image:
    """The image as the options in `line` make it."""
    return Preprocess(options(line), **how).plan(image.size, random.Random(seed)).apply(image)


@pytest.fixture
def image(tmp_path: Path) -> Image.Image:
    """A colourful image, 60 wide and 40 high."""
    return Image.open(write_image(tmp_path / "image.png", 60, 40))


@pytest.mark.parametrize(("mode", "size", "expected"), [
    ("resize_and_crop", (60, 40), (32, 32)),
    ("crop", (60, 40), (32, 32)),
    ("crop", (32, 32), (32, 32)),
    ("scale_width", (60, 50), (48, 40)),
    ("scale_width", (60, 30), (48, 32)),  # never lower than the crop
    ("scale_width", (48, 100), (48, 100)),
    ("scale_width_and_crop", (60, 30), (32, 32)),
    ("none", (61, 37), (61, 37)),
])
@pytest.mark.parametrize("augment", [True, False])
def test_sizes_of_every_mode(mode: str, size: tuple, expected: tuple, augment: bool):
    line = f"--preprocess {mode} --load_size 48 --crop_size 32"
    assert transform(Image.new("RGB", size), line, augment=augment).size == expected
    assert Preprocess(options(line), augment=augment).fitted(size) == expected


@pytest.mark.parametrize(("mode", "scaled"), [("resize_and_crop", (36, 36)), ("scale_width_and_crop", (36, 32))])
def test_scaling_is_pillows_bicubic_and_tests_crop_the_centre(image: Image.Image, mode: str, scaled: tuple):
    found = transform(image, f"--preprocess {mode} --load_size 36 --crop_size 32", augment=False)
    left, top = (scaled[0] - 32) // 2, (scaled[1] - 32) // 2
    expected = image.resize(scaled, Image.Resampling.BICUBIC).crop((left, top, left + 32, top + 32))
    assert np.array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.slow
def test_training_crops_are_random_and_inside():
    """An image whose pixels tell their place shows where each crop came from."""
    x, y = np.meshgrid(np.arange(8), np.arange(6))
    place = Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8))
    corners = set()
    for seed in range(300):
        crop = np.asarray(transform(place, "--preprocess crop --crop_size 4 --no_flip", seed)).astype(int)
        left, top = crop[0, 0, :2]
        assert np.array_equal(crop, np.asarray(place)[top:top + 4, left:left + 4])
        corners.add((left, top))
    assert corners == {(left, top) for left in range(5) for top in range(3)}


def test_half_of_the_training_images_are_mirrored(image: Image.Image):
    def flips(line: str = "", **how) -> int:
        found = [np.asarray(transform(image, f"--preprocess none {line}", seed, **how)) for seed in range(100)]
        mirrored = [np.array_equal(pixels, np.asarray(ImageOps.mirror(image))) for pixels in found]
        assert all(m or np.array_equal(pixels, np.asarray(image)) for m, pixels in zip(mirrored, found, strict=True))
        return sum(mirrored)
    assert 35 < flips() < 65
    assert flips("--no_flip") == flips(augment=False) == 0


@pytest.mark.parametrize(("size", "multiple", "least", "fitted"), [
    ((61, 37), 4, 1, (60, 36)),  # to the nearest multiple
    ((63, 39), 4, 1, (64, 40)),
    ((60, 36), 4, 1, (60, 36)),
    ((60, 40), 256, 256, (256, 256)),
    ((600, 300), 256, 256, (512, 256)),
    ((5, 60), 4, 30, (32, 60)),  # at least the next multiple of 4 above 30
])
def test_sizes_are_fitted_to_the_network(size: tuple, multiple: int, least: int, fitted: tuple):
    image = Image.effect_mandelbrot(size, (-2, -1, 1, 1), 50)
    found = transform(image, "--preprocess none --no_flip", size_multiple=multiple, min_size=least)
    assert found.size == fitted
    assert np.array_equal(np.asarray(found), np.asarray(image.resize(fitted, Image.Resampling.BICUBIC)))


def test_tensors_lie_between_minus_one_and_one():
    tensor = to_tensor(Image.fromarray(np.array([[[0, 51, 255]]], np.uint8)))
    assert (tensor.dtype, tuple(tensor.shape)) == (torch.float32, (3, 1, 1))
    torch.testing.assert_close(tensor.flatten(), torch.tensor([-1, -0.6, 1]))


@pytest.mark.parametrize(("line", "message"), [
    ("--load_size 30 --crop_size 32", "--load_size 30 is smaller than --crop_size 32: give --load_size 32 or more"),
    ("--preprocess scale_width_and_crop --load_size 30 --crop_size 32",
     "--load_size 30 is smaller than --crop_size 32"),
])
def test_impossible_sizes_are_refused(line: str, message: str):
    with pytest.raises(UserError, match=message):
        Preprocess(options(line))
    for mode, size in (("scale_width", (30, 32)), ("crop", (32, 32)), ("none", (60, 60))):
        assert Preprocess(options(f"--preprocess {mode} --load_size 30 --crop_size 32")).fitted((60, 60)) == size


def check(root: Path, line: str, multiple: int = 1, least: int = 1) -> list[str]:
    """The notices about the images in `root`."""
    opt = options(f"--dataroot {root} --dataset_mode single {line}")
    dataset = data.find(opt.dataset_mode)(opt, Preprocess(opt, multiple, least))
    looks, notices = check_images(dataset, skip_bad=False)
    return notices + check_sizes(dataset, {path: look.size for path, look in looks.items()}, opt.batch_size)


def test_one_notice_says_that_images_are_fitted(tmp_path: Path):
    for number, size in enumerate([(60, 36), (61, 37), (99, 99)]):
        write_image(tmp_path / f"{number}.png", *size)
    assert check(tmp_path, "--preprocess none") == []
    assert check(tmp_path, "--preprocess none", 4, 8) == [
        "note: images are resized to what the networks accept (multiples of 4, at least 8 pixels), "
        "for example 61x37 to 60x36"]
    assert check(tmp_path, "--load_size 40 --crop_size 32 --batch_size 3", 4, 8) == []
    assert check(tmp_path, "--load_size 40 --crop_size 32", 256, 256) == [
        "note: images are resized to what the networks accept (multiples of 256, at least 256 pixels), "
        "for example 32x32 to 256x256; --netG resnet_6blocks takes multiples of 4"]


def test_images_smaller_than_the_crop_are_listed(tmp_path: Path):
    for number, size in enumerate([(40, 20), (32, 32), (16, 90)]):
        write_image(tmp_path / f"{number}.png", *size)
    with pytest.raises(UserError) as error:
        check(tmp_path, "--preprocess crop --crop_size 32")
    assert str(error.value) == (
        f"2 images are smaller than --crop_size 32:\n  {tmp_path}/0.png  40x20\n  {tmp_path}/2.png  16x90\n"
        "give --pad reflect, --crop_size 16 or --preprocess resize_and_crop")
    assert check(tmp_path, "--preprocess crop --crop_size 16 --batch_size 2") == []


def test_many_small_images_are_counted(tmp_path: Path):
    for number in range(12):
        write_image(tmp_path / f"{number}.png", 8, 8)
    with pytest.raises(UserError, match=r"^12 images (.|\n)*/9.png  8x8\n  ... and 2 more\ngive --pad reflect, --crop"):
        check(tmp_path, "--preprocess crop --crop_size 32")


def test_small_sides_of_pairs_are_found_before_training(tmp_path: Path):
    write_pairs(tmp_path / "train", 1, side=20)
    with pytest.raises(UserError, match=r"1.png  20x20\ngive --pad reflect, --crop_size 20"):
        check(tmp_path, "--dataset_mode aligned --preprocess crop --crop_size 32")


def test_different_sizes_cannot_share_a_batch(tmp_path: Path):
    for number, size in enumerate([(40, 20), (41, 20)]):
        write_image(tmp_path / f"{number}.png", *size)
    with pytest.raises(UserError, match=r"--batch_size 2 needs images of one size, found 40x20 \(\S*/0.png\), 41x20 \("
                                        r"\S*/1.png\); give --batch_size 1, or a --preprocess that crops"):
        check(tmp_path, "--preprocess none --batch_size 2")
    assert check(tmp_path, "--preprocess none --batch_size 1") == []
    assert len(check(tmp_path, "--preprocess none --batch_size 2", 4)) == 1  # both become 40x20


@pytest.mark.parametrize("size", [(40, 20), (20, 40)])
def test_a_sample_smaller_than_the_crop_is_named(tmp_path: Path, size: tuple):
    write_image(tmp_path / "small.png", *size)
    opt = options(f"--dataroot {tmp_path} --dataset_mode single --preprocess crop --crop_size 32")
    said = f"small.png: it is {size[0]}x{size[1]} pixels, smaller than --crop_size 32; use"
    with pytest.raises(UserError, match=said):
        data.find("single")(opt, Preprocess(opt)).sample(0, random.Random(0))


def test_each_side_of_an_unpaired_batch_has_its_own_size(tmp_path: Path):
    for number in range(2):
        write_image(tmp_path / "trainA" / f"{number}.png", 32, 32)
        write_image(tmp_path / "trainB" / f"{number}.png", 48, 48)
    line = f"--dataroot {tmp_path} --model cycle_gan --preprocess none --batch_size 2 --num_threads 0"
    batch = next(open_loader(parse(COMMAND, line.split()), ("A", "B"), 4, 8, augment=True).epoch(1))
    assert (batch["A"].shape, batch["B"].shape) == ((2, 3, 32, 32), (2, 3, 48, 48))
