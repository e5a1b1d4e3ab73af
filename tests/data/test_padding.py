"""Images that are continued by their reflection: to the crop in training, to what the network accepts in a test."""
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import data
from data.check import check_images, check_sizes
from data.loader import open_loader
from data.pixels import as_bytes, reflected
from data.transforms import Preprocess
from helpers.images import read_pixels, write_image
from options.command_line import parse
from options.schema import Options
from train import COMMAND
from util.errors import UserError

PAD = "--preprocess crop --pad reflect --no_flip"


def options(line: str) -> Options:
    return parse(COMMAND, f"--dataroot nowhere {line}".split())


def place(width: int, height: int) -> Image.Image:
    """An image whose pixels tell their place."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8))


@pytest.mark.parametrize(("size", "corner", "whole"), [
    ((5, 4), (0, 0), (8, 4)), ((5, 4), (2, 3), (9, 9)), ((3, 2), (4, 5), (16, 16)), ((1, 4), (1, 0), (5, 8)),
    ((1, 1), (0, 0), (8, 8))])
def test_reflection_is_that_of_numpy_for_images_and_tensors(size: tuple, corner: tuple, whole: tuple):
    image = place(*size)
    (left, top), (width, height) = corner, whole
    expected = np.pad(np.asarray(image), ((top, height - size[1] - top), (left, width - size[0] - left), (0, 0)),
                      mode="reflect")
    assert np.array_equal(np.asarray(reflected(image, corner, whole)), expected)
    for kind in (torch.uint8, torch.uint16, torch.float32):
        found = reflected(as_bytes(image).to(kind), corner, whole)
        assert found.dtype == kind and np.array_equal(found.permute(1, 2, 0).numpy(), expected)
    gray = image.getchannel(0)
    assert np.array_equal(np.asarray(reflected(gray, corner, whole)), expected[:, :, 0])


def test_small_images_lie_anywhere_in_the_crop_and_larger_ones_are_cropped():
    """5x9 becomes 8x8: padded to the left and the right, cropped above and below; each way occurs."""
    lefts, tops = set(), set()
    preprocess = Preprocess(options(f"{PAD} --crop_size 8"))
    for seed in range(100):
        pixels = np.asarray(preprocess.plan((5, 9), random.Random(seed)).apply(place(5, 9))).astype(int)
        assert pixels.shape == (8, 8, 3)
        top = pixels[0, 0, 1]
        left = int(np.flatnonzero((pixels[0, :-4, 0] == 0) & (pixels[0, 4:, 0] == 4))[0])
        expected = np.pad(np.asarray(place(5, 9)), ((0, 0), (left, 3 - left), (0, 0)), mode="reflect")[top:top + 8]
        assert np.array_equal(pixels, expected)
        lefts.add(left)
        tops.add(top)
    assert lefts == {0, 1, 2, 3} and tops == {0, 1}
    centre = Preprocess(options(f"{PAD} --crop_size 8"), augment=False).plan((5, 9), random.Random(0))
    assert (centre.pad, centre.crop) == ((1, 0, 8, 9), (0, 0, 8, 8))


def test_a_width_keeps_its_proportions_where_the_height_is_padded():
    plan = Preprocess(options("--preprocess scale_width_and_crop --pad reflect --load_size 48 --crop_size 32"),
                      augment=False).plan((60, 30), random.Random(0))
    assert (plan.scale, plan.pad, plan.crop) == ((48, 24), (0, 4, 48, 32), (8, 0, 32, 32))


def test_padding_is_said_and_then_refuses_nothing(tmp_path: Path):
    write_image(tmp_path / "0.png", 40, 20)
    write_image(tmp_path / "1.png", 64, 64)
    opt = options(f"--dataroot {tmp_path} --dataset_mode single {PAD} --crop_size 32")
    dataset = data.find("single")(opt, Preprocess(opt, 4, 8))
    looks, _ = check_images(dataset, skip_bad=False)
    assert check_sizes(dataset, {path: look.size for path, look in looks.items()}, 2) == [
        f"note: 1 of 2 images are smaller than --crop_size 32 and padded by reflection, such as {tmp_path}/0.png with "
        "40x20"]
    assert dataset.sample(0, random.Random(0))["A"].shape == (3, 32, 32)


@pytest.mark.parametrize("way", ["resize_and_crop", "none", "scale_width"])
def test_nothing_to_pad_is_told(way: str):
    with pytest.raises(UserError, match=f"--pad reflect continues images that .* --preprocess {way} has none: give "
                                        "--preprocess crop, or leave out --pad"):
        Preprocess(options(f"--preprocess {way} --pad reflect"))
    Preprocess(options(f"--preprocess {way} --pad reflect"), augment=False)  # whole images, of a validation


@pytest.mark.parametrize("cache", ["none", "ram", "device"])
def test_a_kept_size_is_told_and_the_image_lies_at_the_top_left(tmp_path: Path, cache: str):
    sizes = [(61, 37), (64, 40), (1, 1), (5, 3)]
    for number, size in enumerate(sizes):
        write_image(tmp_path / f"{number}.png", *size)
    opt = options(f"--dataroot {tmp_path} --dataset_mode single --num_threads 0 --model test --cache {cache}")
    loader = open_loader(opt, ("A",), 4, 8, augment=False, keep_size=True)
    assert [said for said in loader.notices if "cache" not in said] == [
        "note: 3 of 4 images are padded by reflection to what the networks accept (multiples of 4, at least 8 pixels), "
        "for example 61x37 to 64x40, and the results cropped back"]
    for (width, height), batch in zip(sizes, loader.first(4), strict=True):
        assert batch["A_kept"].tolist() == [[height, width]]
        whole = max(8, -(-width // 4) * 4), max(8, -(-height // 4) * 4)
        assert batch["A"].shape == (1, 3, *whole[::-1])
        pixels = read_pixels(Path(batch["A_paths"][0]))
        padded = np.pad(pixels, ((0, whole[1] - height), (0, whole[0] - width), (0, 0)), mode="reflect")
        assert np.array_equal(((batch["A"][0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy(), padded)


def test_images_that_are_padded_to_one_size_share_a_batch(tmp_path: Path):
    for number, width in enumerate((61, 62)):
        write_image(tmp_path / f"{number}.png", width, 40)
    line = f"--dataroot {tmp_path} --dataset_mode single --num_threads 0 --model test --batch_size 2"
    batch = next(open_loader(options(line), ("A",), 4, 8, augment=False, keep_size=True).first(2))
    assert batch["A"].shape == (2, 3, 40, 64) and batch["A_kept"].tolist() == [[40, 61], [40, 62]]
    write_image(tmp_path / "2.png", 65, 40)
    with pytest.raises(UserError, match="--batch_size 2 needs images of one size, found 64x40 .*, 68x40 "):
        open_loader(options(line), ("A",), 4, 8, augment=False, keep_size=True)
