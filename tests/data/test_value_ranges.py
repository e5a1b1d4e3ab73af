"""Images with more than 8 bits a channel: one scale for all of a side, said before the first step."""
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.base_dataset import BaseDataset
from helpers.images import read_pixels, write_image
from helpers.loading import open_on
from util.errors import UserError

SINGLE = "--dataset_mode single --preprocess none --input_nc 1"


def write_deep(path: Path, *values: int, side: int = 32, dtype: type = np.uint16) -> Path:
    """A square gray image that repeats the values, with more than 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.resize(np.array(values, dtype), (side, side))).save(path)
    return path


def write_deep_colour(path: Path, value: int, alpha: bool) -> Path:
    """A PNG of 8 x 8 pixels with 16 bits a channel, as Pillow cannot write one."""
    row = b"\0" + struct.pack(">4H", value, value, value, 65535)[:8 if alpha else 6] * 8
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 6 if alpha else 2, 0, 0, 0)),
              (b"IDAT", zlib.compress(row * 8)), (b"IEND", b""))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks))
    return path


def levels(dataset: BaseDataset, path: Path, channels: int = 1) -> list[int]:
    """The first three 8-bit values that samples get of a file."""
    (image,) = dataset.read(path, channels)
    return np.asarray(image).ravel()[:3].tolist()


@pytest.mark.parametrize(("largest", "bits"), [
    (0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16384, 16), (65535, 16)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_all_images_of_a_side_get_the_fewest_bits_that_hold_every_value(
        tmp_path: Path, largest: int, bits: int, ending: str):
    dim = write_deep(tmp_path / f"1.{ending}", 0, largest // 4)
    bright = write_deep(tmp_path / f"2.{ending}", largest, largest // 2)
    flat = write_image(tmp_path / "3.png")
    loader = open_on(tmp_path, SINGLE, needs=("A",))
    assert loader.notices == [
        f"note: 2 of 3 images have 16 bits, such as {dim}: values from 0 to {2 ** bits - 1} become 0 to 255. The "
        f"largest is {largest} (--input_bits {bits})"]
    assert loader.dataset.bits_used == {"input_bits": bits}
    assert levels(loader.dataset, bright)[:2] == [largest >> bits - 8, largest // 2 >> bits - 8]
    assert levels(loader.dataset, dim)[:2] == [0, largest // 4 >> bits - 8]  # not brighter than it is
    assert levels(loader.dataset, flat) == np.asarray(Image.open(flat).convert("L")).ravel()[:3].tolist()


def test_each_side_has_its_own_bits(tmp_path: Path):
    for side, value in (("A", 4095), ("B", 65535)):
        write_deep(tmp_path / f"train{side}/1.png", value)
    there = open_on(tmp_path, "--dataset_mode unaligned --input_nc 1 --output_nc 1").dataset
    back = open_on(tmp_path, "--dataset_mode unaligned --input_nc 1 --output_nc 1 --direction BtoA").dataset
    assert there.bits_used == {"input_bits": 12, "output_bits": 16}
    assert back.bits_used == {"input_bits": 16, "output_bits": 12}
    for dataset in (there, back):
        assert levels(dataset, tmp_path / "trainA/1.png") == levels(dataset, tmp_path / "trainB/1.png") == [255] * 3


def test_bits_that_are_given(tmp_path: Path):
    path = write_deep(tmp_path / "1.png", 1000, 4095)
    loader = open_on(tmp_path, f"{SINGLE} --input_bits 16", needs=("A",))
    assert levels(loader.dataset, path)[:2] == [1000 >> 8, 4095 >> 8]
    loader = open_on(tmp_path, f"{SINGLE} --input_bits 11", needs=("A",))
    assert levels(loader.dataset, path)[:2] == [1000 >> 3, 255]
    assert loader.notices[0].endswith(
        "values from 0 to 2047 become 0 to 255; larger values, up to 4095, become 255 (--input_bits 11)")
    with pytest.raises(UserError, match="--input_bits 7 is too small; expected 8 to 16, or 0 to count"):
        open_on(tmp_path, f"{SINGLE} --input_bits 7", needs=("A",))


def test_bits_that_are_given_for_one_side_leave_the_other(tmp_path: Path):
    A, B = (write_deep(tmp_path / f"train{side}/1.png", 1000, 4095) for side in "AB")
    line = "--dataset_mode unaligned --preprocess none --input_nc 1 --output_nc 1 --output_bits 14"
    there, back = open_on(tmp_path, line).dataset, open_on(tmp_path, f"{line} --direction BtoA").dataset
    assert [levels(there, path)[:2] for path in (A, B)] == [[1000 >> 4, 255], [1000 >> 6, 4095 >> 6]]
    assert [levels(back, path)[:2] for path in (A, B)] == [[1000 >> 6, 4095 >> 6], [1000 >> 4, 255]]


@pytest.mark.parametrize("alpha", [False, True])
def test_colour_of_which_only_the_lower_bits_are_used_is_refused(tmp_path: Path, alpha: bool):
    path = write_deep_colour(tmp_path / "1.png", 4095, alpha)
    said = f"1 colour images have 16 bits a channel, such as {path}, but no value above 4095 of 65535"
    with pytest.raises(UserError, match=said + r"(.|\n)*save them with 8 bits a channel"):
        open_on(tmp_path, "--dataset_mode single", needs=("A",))
    write_deep_colour(tmp_path / "2.png", 65535, alpha)
    loader = open_on(tmp_path, "--dataset_mode single --preprocess none", needs=("A",))
    assert loader.notices == [] and levels(loader.dataset, path, 3) == [15] * 3


def test_a_cache_on_disk_knows_the_bits(tmp_path: Path):
    path = write_deep(tmp_path / "images/1.png", 1000)
    for bits, level in ((0, 250), (12, 62), (0, 250)):
        line = f"{SINGLE} --cache disk --checkpoints_dir {tmp_path} --input_bits {bits}"
        dataset = open_on(tmp_path / "images", line, needs=("A",)).dataset
        dataset.cache.fill(dataset.read_file)
        assert dataset.read(path, 1)[0].unique().tolist() == [level]


def test_a_training_keeps_its_bits_and_testing_can_be_given_them(train: Callable, translate: Callable, dataroot: Path,
                                                                 capsys: pytest.CaptureFixture):
    for phase, value in (("train", 4095), ("test", 1000)):
        for number in range(1, 5):
            write_deep(dataroot / phase / f"{number}.png", value, side=64)
    gray = "--model pix2pix --input_nc 1 --output_nc 1 --preprocess none"
    folder = train(gray)
    assert json.loads((folder / "train_opt.json").read_text())["input_bits"]["value"] == 12
    assert "note: 4 of 4 images have 16 bits" in capsys.readouterr().out
    results = translate(f"{gray} --input_bits 12")
    assert np.unique(read_pixels(results / "images/1_real_A.png")).tolist() == [1000 >> 4]
