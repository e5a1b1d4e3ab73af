"""--crop_size H,W and --load_size H,W."""
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data
from data.check import check_images, check_sizes
from data.transforms import Preprocess
from helpers.images import write_image
from options.command_line import parse
from options.preprocess import whole_images
from options.schema import OptionError, Options, as_sides, width_and_height
from train import COMMAND
from util.errors import UserError


def options(line: str) -> Options:
    return parse(COMMAND, f"--dataroot nowhere {line}".split())


@pytest.mark.parametrize(("word", "value", "size"), [
    ("256", 256, (256, 256)), ("256,256", 256, (256, 256)), ("256,512", "256,512", (512, 256)),
    ("0256,8", "256,8", (8, 256))])
def test_a_plain_number_is_a_square_and_two_are_height_and_width(word: str, value: int | str, size: tuple):
    found = options(f"--load_size 600 --crop_size {word}").as_dict()["crop_size"]
    assert found == value and type(found) is type(value)
    assert width_and_height(found) == size and as_sides(*size) == value


@pytest.mark.parametrize("word", ["0", "256,0", "-4", "1,2,3", "big", "256x512", "", "3,"])
def test_what_is_no_size(word: str):
    with pytest.raises(OptionError, match="is not a side in pixels, such as 256, or a height and a width, such"):
        options(f"--crop_size={word}")


@pytest.mark.parametrize(("line", "size", "expected"), [
    ("--preprocess crop --crop_size 24,48", (60, 40), (48, 24)),
    ("--preprocess resize_and_crop --load_size 50 --crop_size 24,48", (60, 40), (48, 24)),
    ("--preprocess resize_and_crop --load_size 30,60 --crop_size 24,48", (99, 40), (48, 24)),
    ("--preprocess scale_width_and_crop --load_size 50 --crop_size 60,48", (60, 40), (48, 60)),
])
@pytest.mark.parametrize("augment", [True, False])
def test_every_way_of_cropping(line: str, size: tuple, expected: tuple, augment: bool):
    preprocess = Preprocess(options(line), 4, 8, augment)
    assert preprocess.plan(size, random.Random(0)).apply(Image.new("RGB", size)).size == expected
    assert preprocess.fitted(size) == expected


def test_oblong_pixels_are_pillows():
    image = Image.effect_mandelbrot((99, 40), (-2, -1, 1, 1), 50)
    preprocess = Preprocess(options("--load_size 30,60 --crop_size 24,48"), augment=False)
    expected = image.resize((60, 30), Image.Resampling.BICUBIC).crop((6, 3, 54, 27))
    assert np.array_equal(np.asarray(preprocess.plan(image.size, random.Random(0)).apply(image)), np.asarray(expected))


def test_sizes_that_do_not_fit_name_what_does(tmp_path: Path):
    with pytest.raises(UserError, match="286 is smaller than --crop_size 256,512: give --load_size 286,512 or more"):
        Preprocess(options("--crop_size 256,512"))
    Preprocess(options("--preprocess scale_width_and_crop --load_size 286 --crop_size 512,256"))  # the height follows
    write_image(tmp_path / "0.png", 40, 20)
    write_image(tmp_path / "1.png", 30, 60)
    opt = options(f"--dataroot {tmp_path} --dataset_mode single --preprocess crop --crop_size 24,48")
    dataset = data.find("single")(opt, Preprocess(opt))
    sizes = {path: look.size for path, look in check_images(dataset, False)[0].items()}
    with pytest.raises(UserError, match=r"2 images are smaller than --crop_size 24,48:(.|\n)*--crop_size 20,30 or"):
        check_sizes(dataset, sizes, 1)


def test_whole_images_of_a_validation_have_the_crops_shape():
    assert whole_images("resize_and_crop", "300,600", "256,512") == {
        "preprocess": "resize_and_crop", "load_size": "256,512", "crop_size": "256,512"}
    assert whole_images("crop", 286, "256,512")["preprocess"] == "none"
