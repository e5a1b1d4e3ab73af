"""Values of any type: one range for all of a side, said before the first step, kept by the run."""
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import train as train_command
from data.base_dataset import BaseDataset
from helpers.images import write_image
from helpers.loading import equal, open_on
from raster.value_range import BYTES, ValueRange
from util.errors import UserError

SINGLE = "--dataset_mode single --preprocess none --no_flip --input_nc 1"


def write_values(path: Path, *values: float, side: int = 32, dtype: type = np.uint16, no_data: float | None = None
                 ) -> Path:
    """A square gray picture that repeats the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.resize(np.array(values, dtype), (side, side))
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".tif":
        tags = [] if no_data is None else [(42113, "s", 0, str(no_data), True)]
        tifffile.imwrite(path, pixels, extratags=tags)
    else:
        Image.fromarray(pixels).save(path)
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


def units(dataset: BaseDataset, path: Path, channels: int = 1, count: int = 3) -> list[float]:
    """The first values that samples get of a file, in [-1, 1]."""
    tensor = dataset.load(path, channels, random.Random(0))
    assert tensor.dtype == torch.float32 and tensor.shape[0] == channels
    return tensor.flatten()[:count].tolist()


def near(*expected: float) -> object:
    return pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(("largest", "bits"), [
    (0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16384, 16), (65535, 16)])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_all_images_of_a_side_get_the_fewest_bits_that_hold_every_value(
        tmp_path: Path, largest: int, bits: int, ending: str):
    """A microscope's 12 bits in 16, without a flag: black is -1, its white 1."""
    dim = write_values(tmp_path / f"1.{ending}", 0, largest // 4)
    bright = write_values(tmp_path / f"2.{ending}", largest, largest // 2)
    flat = write_image(tmp_path / "3.png")
    loader = open_on(tmp_path, SINGLE, needs=("A",))
    white = 2 ** bits - 1
    assert loader.notices == [
        f"note: 2 of 3 images have values of type uint16, such as {dim}: 0 to {white} are black to white. They lie "
        f"between 0 and {largest} (--input_range uint16:0,{white})"]
    assert loader.dataset.ranges_used == {"input_range": f"uint16:0,{white}"}
    assert loader.dataset.ranges[bright] == ValueRange(0, white, "uint16")
    assert units(loader.dataset, bright, count=2) == near(2 * largest / white - 1, 2 * (largest // 2) / white - 1)
    assert units(loader.dataset, dim, count=2) == near(-1, 2 * (largest // 4) / white - 1)  # not brighter than it is
    assert units(loader.dataset, flat) == near(*(
        np.asarray(Image.open(flat).convert("L")).ravel()[:3] / 127.5 - 1))


@pytest.mark.parametrize(("values", "dtype", "expected"), [
    ((-1024, 3071), np.int16, "int16:-1024,3071"),
    ((0, 65536), np.int32, "int32:0,65536"),
    ((7, 300), np.uint32, "uint32:7,300"),
    ((0, 0.25), np.float32, "float32:0,1"),
    ((-0.5, 0.25), np.float32, "float32:-1,1"),
    ((-0.5, 2.5), np.float32, "float32:-0.5,2.5"),
    ((-3, np.nan, np.inf, 5), np.float64, "float64:-3,5"),
    ((4, 4), np.float32, "float32:4,5"),
    ((np.nan, np.nan), np.float32, "float32:0,1"),
])
@pytest.mark.parametrize("ending", ["tif", "npy"])
def test_ranges_by_type_over_the_set(tmp_path: Path, values: tuple, dtype: type, expected: str, ending: str):
    halves = len(values) // 2
    first = write_values(tmp_path / f"1.{ending}", *values[:halves], dtype=dtype)
    second = write_values(tmp_path / f"2.{ending}", *values[halves:], dtype=dtype)
    dataset = open_on(tmp_path, SINGLE, needs=("A",)).dataset
    assert dataset.ranges_used == {"input_range": expected}
    low, high = map(float, expected.split(":")[1].split(","))
    for path, own in ((first, values[:halves]), (second, values[halves:])):
        assert units(dataset, path, count=len(own)) == near(
            *(min(2 * (value - low) / (high - low) - 1, 1.0) if value == value else value for value in own))


def test_eight_bits_are_as_ever_and_leave_nothing_in_the_run(tmp_path: Path):
    write_image(tmp_path / "1.png")
    loader = open_on(tmp_path, SINGLE, needs=("A",))
    assert (loader.notices, loader.dataset.ranges_used) == ([], {})
    assert loader.dataset.range_of(tmp_path / "1.png") == BYTES


def test_each_side_has_its_own_range(tmp_path: Path):
    for side, value in (("A", 4095), ("B", 65535)):
        write_values(tmp_path / f"train{side}/1.png", value)
    there = open_on(tmp_path, "--dataset_mode unaligned --input_nc 1 --output_nc 1").dataset
    back = open_on(tmp_path, "--dataset_mode unaligned --input_nc 1 --output_nc 1 --direction BtoA").dataset
    assert there.ranges_used == {"input_range": "uint16:0,4095", "output_range": "uint16:0,65535"}
    assert back.ranges_used == {"input_range": "uint16:0,65535", "output_range": "uint16:0,4095"}
    for dataset in (there, back):
        for side in "AB":
            (image,) = dataset.read(tmp_path / f"train{side}/1.png", 1)
            assert image.dtype == torch.uint16 and image.int().max() == (4095 if side == "A" else 65535)


def test_a_deep_and_a_plain_side_are_both_kept(tmp_path: Path):
    write_values(tmp_path / "trainA/1.tif", 0, 700)
    write_image(tmp_path / "trainB/1.png")
    dataset = open_on(tmp_path, "--dataset_mode unaligned --input_nc 1").dataset
    assert dataset.ranges_used == {"input_range": "uint16:0,1023", "output_range": "uint8:0,255"}


def test_a_pair_in_one_file_has_one_range(tmp_path: Path):
    pixels = np.concatenate([np.full((32, 32), 100, np.uint16), np.full((32, 32), 900, np.uint16)], 1)
    (tmp_path / "train").mkdir()
    tifffile.imwrite(tmp_path / "train/1.tif", pixels)
    loader = open_on(tmp_path, "--dataset_mode aligned --input_nc 1 --output_nc 3 --preprocess none")
    assert loader.dataset.ranges_used == {"input_range": "uint16:0,1023", "output_range": "uint16:0,1023"}
    (batch,) = loader.epoch(1)
    assert batch["A"].shape == (1, 1, 32, 32) and batch["B"].shape == (1, 3, 32, 32)
    assert batch["A"].unique().tolist() == near(200 / 1023 - 1)
    assert batch["B"].unique().tolist() == near(1800 / 1023 - 1)


def test_a_pair_in_one_file_takes_no_range_for_one_side(tmp_path: Path):
    write_values(tmp_path / "train/1.tif", 100, 900, side=64)
    line = "--dataset_mode aligned --input_nc 1 --output_nc 1 --preprocess none"
    with pytest.raises(UserError, match=r"--output_range 0,50: both sides lie in the same files, whose values have one "
                                        "range, here uint16:0,1023; give --value_range for both"):
        open_on(tmp_path, f"{line} --output_range 0,50")
    as_saved = "--input_range uint16:0,4095 --output_range uint16:0,4095"
    assert open_on(tmp_path, f"{line} {as_saved}").dataset.ranges_used["output_range"] == "uint16:0,4095"


# Ranges that are given

def test_a_range_that_is_given(tmp_path: Path):
    path = write_values(tmp_path / "1.png", 1000, 4095)
    for line in ("--input_range 0,65535", "--value_range 0,65535", "--value_range auto --input_range uint16:0,65535"):
        loader = open_on(tmp_path, f"{SINGLE} {line}", needs=("A",))
        assert units(loader.dataset, path, count=2) == near(2000 / 65535 - 1, 8190 / 65535 - 1)
    loader = open_on(tmp_path, f"{SINGLE} --value_range 500,2000 --input_range 0,2000", needs=("A",))
    assert units(loader.dataset, path, count=2) == near(0, 1)
    assert loader.notices[-1] == (f"note: 1 of 1 images have values outside of 0 to 2000, which become its ends, such "
                                  f"as {path} with 1000 to 4095")


@pytest.mark.parametrize(("line", "said"), [
    ("--input_range 5", "--input_range 5 is no range; expected LOW,HIGH, such as --input_range 0,4095"),
    ("--value_range 7,7", "--value_range 7,7 is no range"),
    ("--value_range percentile:5,101", "--value_range percentile:5,101 is no range; expected percentile:P,Q with 0"),
    ("--output_range nan,1", "--output_range nan,1 is no range"),
    ("--output_range complex64:0,1", "--output_range complex64:0,1 is no range"),
    ("--output_range text:0,1", "--output_range text:0,1 is no range"),
])
def test_what_is_no_range(tmp_path: Path, line: str, said: str):
    write_values(tmp_path / "1.png", 5)
    with pytest.raises(UserError, match=said):
        open_on(tmp_path, f"{SINGLE} {line}", needs=("A",))


def test_a_range_that_is_given_for_one_side_leaves_the_other(tmp_path: Path):
    A, B = (write_values(tmp_path / f"train{side}/1.png", 1000, 4095) for side in "AB")
    line = "--dataset_mode unaligned --preprocess none --no_flip --input_nc 1 --output_nc 1 --output_range 0,16383"
    there, back = open_on(tmp_path, line).dataset, open_on(tmp_path, f"{line} --direction BtoA").dataset
    narrow, wide = near(2000 / 4095 - 1, 1), near(2000 / 16383 - 1, 8190 / 16383 - 1)
    assert units(there, A, count=2) == narrow and units(there, B, count=2) == wide
    assert units(back, B, count=2) == narrow and units(back, A, count=2) == wide


def test_eight_bits_by_another_range(tmp_path: Path):
    path = write_values(tmp_path / "1.png", 50, 100, 200, dtype=np.uint8)
    for line in ("--value_range 50,150", "--input_range uint8:50,150"):
        loader = open_on(tmp_path, f"{SINGLE} {line}", needs=("A",))
        assert units(loader.dataset, path) == near(-1, 0, 1)
        assert loader.dataset.ranges_used == {"input_range": "uint8:50,150"}
        assert loader.notices == [  # 8 bits are not looked through
            f"note: 1 of 1 images have values of type uint8, such as {path}: 50 to 150 are black to white "
            "(--input_range uint8:50,150)"]
    dataset = open_on(tmp_path, f"{SINGLE} --input_range uint16:0,4095", needs=("A",)).dataset
    assert units(dataset, path) == near(50 / 127.5 - 1, 100 / 127.5 - 1, 200 / 127.5 - 1)  # it is for other files
    notices = open_on(tmp_path, f"{SINGLE} --value_range 50,150", needs=("A",)).notices
    assert notices[-1].endswith("50 to 150 are black to white (--input_range uint8:50,150)")


def test_percentiles_are_of_all_values_of_a_side(tmp_path: Path):
    values = np.arange(1001, dtype=np.float32)  # the p-th percentile is 10 p
    first = write_values(tmp_path / "1.npy", *values[:500], dtype=np.float32, side=20)
    write_values(tmp_path / "2.npy", *values[500:], dtype=np.float32, side=20)
    loader = open_on(tmp_path, f"{SINGLE} --value_range percentile:0,100", needs=("A",))
    assert loader.dataset.ranges_used == {"input_range": "float32:0,899"}
    several = np.concatenate([np.resize(values[:500], 400), np.resize(values[500:], 400)])
    low, high = np.percentile(several, (10, 90))
    loader = open_on(tmp_path, f"{SINGLE} --value_range percentile:10,90", needs=("A",))
    assert loader.dataset.ranges[first].low == pytest.approx(low) == 79.9
    assert loader.dataset.ranges[first].high == pytest.approx(high)
    assert loader.notices[-1].startswith(f"note: 2 of 2 images have values outside of {low:g} to {high:g}, which ")


def test_percentiles_of_a_large_set_look_at_every_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.value_ranges.FEWEST", 100)
    monkeypatch.setattr("data.value_ranges.SAMPLED", 100)
    pixels = np.zeros((20, 20, 3), np.float32) + np.array([5, 7, 9], np.float32)  # 12 for one looked at
    tifffile.imwrite(tmp_path / "1.tif", pixels, photometric="rgb")
    dataset = open_on(tmp_path, "--dataset_mode single --preprocess none --value_range percentile:0,100",
                      needs=("A",)).dataset
    assert dataset.ranges_used == {"input_range": "float32:5,9"}


# Types and channels

@pytest.mark.parametrize("alpha", [False, True])
def test_colour_of_16_bits_is_read_with_all_of_them(tmp_path: Path, alpha: bool):
    path = write_deep_colour(tmp_path / "1.png", 4095, alpha)
    loader = open_on(tmp_path, "--dataset_mode single --preprocess none", needs=("A",))
    assert loader.dataset.ranges_used == {"input_range": "uint16:0,4095"}  # opacity does not count
    assert units(loader.dataset, path, 3) == near(1, 1, 1)
    path = write_deep_colour(tmp_path / "1.png", 4094, alpha)
    assert units(loader.dataset, path, 3)[0] == pytest.approx(8188 / 4095 - 1, abs=1e-6) != 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_samples_have_every_value_of_every_channel(tmp_path: Path, dtype: type, channels: int):
    rng = np.random.default_rng(channels)
    values = (rng.random((24, 40, channels)) if dtype == np.float32 else
              rng.integers(0, 200, (24, 40, channels))).astype(dtype)
    values[0, 0], values[0, 1] = 0, {np.uint8: 255, np.uint16: 255, np.int16: 200, np.float32: 1}[dtype]
    np.save(tmp_path / "1.npy", values)
    line = f"--dataset_mode single --preprocess none --no_flip --input_nc {channels}"
    loader = open_on(tmp_path, line, needs=("A",))
    (batch,) = loader.epoch(1)
    value_range = loader.dataset.ranges[tmp_path / "1.npy"]
    assert value_range.dtype == np.dtype(dtype).name
    back = value_range.from_unit(batch["A"][0].permute(1, 2, 0).numpy(), np.dtype(dtype))
    if dtype == np.float32:
        np.testing.assert_allclose(back, values, atol=1e-7)
    else:
        assert np.array_equal(back, values)


def test_channels_that_cannot_become_others_are_refused_before_the_first_step(tmp_path: Path):
    np.save(tmp_path / "1.npy", np.zeros((32, 32, 5), np.uint16))
    write_image(tmp_path / "2.png")
    said = (f"1 of 2 images cannot become pictures of 3 channels, such as {tmp_path}/1.npy, which has 5; give "
            "--input_nc 5, or convert them")
    with pytest.raises(UserError, match=said):
        open_on(tmp_path, "--dataset_mode single", needs=("A",))


@pytest.mark.parametrize("ending", ["png", "tif", "jpg", "bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_eight_bits_are_pillows_own_pixels(tmp_path: Path, ending: str, channels: int):
    path = write_image(tmp_path / f"1.{ending}", 61, 47)
    line = f"--dataset_mode single --load_size 36 --crop_size 32 --input_nc {channels}"
    loader = open_on(tmp_path, line, augment=False, needs=("A",))
    (batch,) = loader.epoch(1)
    image = Image.open(path).convert("RGB" if channels == 3 else "L").resize((36, 36), Image.Resampling.BICUBIC)
    pixels = np.asarray(image.crop((2, 2, 34, 34)), np.float32).reshape(32, 32, channels).transpose(2, 0, 1)
    assert np.array_equal(batch["A"][0].numpy(), pixels * np.float32(2 / 255) - np.float32(1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_each_channel_is_resized_as_pillow_does(tmp_path: Path, dtype: type):
    values = np.random.default_rng(0).integers(0, 256, (40, 60, 2)).astype(dtype)
    np.save(tmp_path / "1.npy", values / dtype(255) if dtype == np.float32 else values)
    loader = open_on(tmp_path, "--dataset_mode single --load_size 32 --crop_size 32 --input_nc 2", augment=False,
                     needs=("A",))
    (batch,) = loader.epoch(1)
    for channel in range(2):
        kind = np.uint8 if dtype == np.uint8 else np.float32
        whole = Image.fromarray(np.ascontiguousarray(values[..., channel]).astype(kind))
        expected = np.asarray(whole.resize((32, 32), Image.Resampling.BICUBIC), float).clip(0, 255)
        expected = np.rint(expected) if dtype == np.uint16 else expected
        np.testing.assert_allclose(batch["A"][0, channel], expected / 127.5 - 1, atol=1e-5)


# Pixels without data

@pytest.mark.parametrize(("dtype", "no_data"), [(np.float32, None), (np.uint16, 0), (np.uint8, 7), (np.int16, -9999)])
def test_pixels_without_data_are_told_and_take_no_part_in_the_range(tmp_path: Path, dtype: type,
                                                                    no_data: float | None):
    hole = np.nan if no_data is None else no_data
    path = write_values(tmp_path / "trainA/1.tif", hole, 100, 200, 300 % 256, dtype=dtype, no_data=no_data)
    write_image(tmp_path / "trainB/1.png")
    loader = open_on(tmp_path, "--dataset_mode unaligned --preprocess none --no_flip --input_nc 1")
    (batch,) = loader.epoch(1)
    low, high = loader.dataset.ranges[path].low, loader.dataset.ranges[path].high
    assert (low, high) == {np.float32: (44, 200), np.uint16: (0, 255), np.uint8: (0, 255), np.int16: (44, 200)}[dtype]
    void = np.resize(np.array([True, False, False, False]), (32, 32))
    assert batch["A_void"].dtype == torch.bool and np.array_equal(batch["A_void"][0, 0], void)
    assert batch["B_void"].shape == (1, 1, 32, 32) and not batch["B_void"].any()
    expected = np.resize(np.array([-1, *(2 * (value - low) / (high - low) - 1 for value in (100, 200, 44))]), (32, 32))
    np.testing.assert_allclose(batch["A"][0, 0], expected, atol=1e-6)


def test_a_pixel_that_is_made_of_no_data_is_none(tmp_path: Path):
    pixels = np.ones((64, 64), np.float32)
    pixels[:, 40:] = np.nan
    np.save(tmp_path / "1.npy", pixels)
    line = "--dataset_mode single --load_size 32 --crop_size 32 --input_nc 1"
    (batch,) = open_on(tmp_path, line, augment=False, needs=("A",)).epoch(1)
    void = batch["A_void"][0, 0].numpy()
    assert not void[:, :18].any() and void[:, 20:].all()
    assert (batch["A"][0, 0].numpy()[void] == -1).all() and (batch["A"][0, 0].numpy()[~void] == 1).all()


def test_without_such_files_samples_have_no_masks(tmp_path: Path):
    write_values(tmp_path / "1.tif", 5, 6, no_data=9)
    (batch,) = open_on(tmp_path, SINGLE, needs=("A",)).epoch(1)
    assert "A_void" not in batch


@pytest.mark.parametrize("cache", ["none", "ram"])
@pytest.mark.parametrize("no_data", [None, 7])
def test_pixels_without_data_on_one_side_of_a_file(tmp_path: Path, cache: str, no_data: float | None):
    pixels = np.full((32, 64), 1023, np.uint16 if no_data else np.float32)
    pixels[:, 40:] = no_data or np.nan
    pixels[0, 0] = 0
    (tmp_path / "data/train").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "data/train/1.tif", pixels,
                     extratags=[(42113, "s", 0, str(no_data), True)] if no_data else [])
    loader = open_on(tmp_path / "data", "--dataset_mode aligned --input_nc 1 --output_nc 1 --preprocess none --no_flip "
                     f"--cache {cache}")
    for epoch in (1, 2):
        (batch,) = loader.epoch(epoch)
        assert not batch["A_void"].any() and torch.equal(batch["B_void"][0, 0].any(0), torch.arange(32) >= 8)
        assert batch["A"].flatten()[:2].tolist() == [-1, 1] and batch["A"].flatten()[1:].unique().tolist() == [1]
        assert batch["B"].unique().tolist() == [-1, 1]


def test_opacity_that_is_the_number_of_no_data_hides_nothing(tmp_path: Path):
    pixels = np.full((32, 32, 4), 1000, np.uint16)
    pixels[..., 3] = 0
    tifffile.imwrite(tmp_path / "1.tif", pixels, photometric="rgb", extrasamples=["unassalpha"],
                     extratags=[(42113, "s", 0, "0", True)])
    dataset = open_on(tmp_path, "--dataset_mode single --preprocess none", needs=("A",)).dataset
    assert not dataset.voids and units(dataset, tmp_path / "1.tif", 3) == [1, 1, 1]  # white behind it


def test_opacity_that_is_no_number_is_no_data(tmp_path: Path):
    pixels = np.ones((32, 32, 4), np.float32)
    pixels[0, 0, 3] = np.nan
    tifffile.imwrite(tmp_path / "1.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    (batch,) = open_on(tmp_path, "--dataset_mode single --preprocess none --no_flip", needs=("A",)).epoch(1)
    assert batch["A_void"].sum() == 1 and batch["A_void"][0, 0, 0, 0] and batch["A"].isfinite().all()


# Caches, runs

def test_a_cache_on_disk_knows_the_range(tmp_path: Path):
    whole = write_values(tmp_path / "images/1.npy", 1000, dtype=np.float32)
    deep = write_values(tmp_path / "images/2.png", 1000)
    names = set()
    for high in (2000, 4000, 2000):
        line = f"{SINGLE} --cache disk --checkpoints_dir {tmp_path} --input_range 0,{high}"
        dataset = open_on(tmp_path / "images", line, needs=("A",)).dataset
        dataset.cache.fill(dataset.read_file)
        names.add(dataset.cache.file.path)
        for path in (whole, deep):
            assert units(dataset, path) == near(*[2000 / high - 1] * 3)
    assert len(names) == 2


def test_a_training_keeps_its_range_and_testing_uses_it(train: Callable, translate: Callable, dataroot: Path,
                                                        capsys: pytest.CaptureFixture):
    for phase, value in (("train", 4095), ("test", 1000)):
        for number in range(1, 5):
            write_values(dataroot / phase / f"{number}.png", value, 0, side=64)
    write_values(dataroot / "test/4.png", 5000, 0, side=64)
    gray = "--model pix2pix --input_nc 1 --output_nc 1 --preprocess none"
    folder = train(gray)
    saved = json.loads((folder / "train_opt.json").read_text())
    assert {name: saved[name]["value"] for name in ("input_range", "output_range", "value_range")} == {
        "input_range": "uint16:0,4095", "output_range": "uint16:0,4095", "value_range": "auto"}
    assert "note: 4 of 4 images have values of type uint16" in capsys.readouterr().out
    translate("--model pix2pix")
    said = capsys.readouterr().out
    assert "0 to 4095 are black to white. They lie between 0 and 5000 (--input_range uint16:0,4095)" in said
    assert f"note: 1 of 4 images have values outside of 0 to 4095, which become its ends, such as {dataroot}" in said
    translate("--model pix2pix --value_range auto")
    assert "0 to 16383 are black to white" in capsys.readouterr().out  # what is given counts more
    write_values(dataroot / "train/1.png", 5000, 0, side=64)
    going_on = "--continue_train --n_epochs 2 --num_threads 0 --gpu_ids -1"
    train_command.main(f"--dataroot {dataroot} --name run {going_on}".split())
    assert "1 of 4 images have values outside of 0 to 4095" in capsys.readouterr().out
    assert json.loads((folder / "train_opt.json").read_text())["input_range"]["value"] == "uint16:0,4095"


def test_bits_that_earlier_versions_saved_are_ranges(tmp_path: Path):
    from options.saved import read_saved

    rows = {"input_bits": {"value": 12}, "output_bits": {"value": 0}, "input_nc": {"value": 1}}
    (tmp_path / "train_opt.json").write_text(json.dumps(rows))
    assert read_saved(tmp_path, {})[0] == {"input_range": "uint16:0,4095", "input_nc": 1}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("cache", ["ram", "disk", "device"])
def test_caches_keep_what_the_values_need(tmp_path: Path, dtype: type, cache: str):
    """Several types and odd sizes lie side by side in one cache."""
    rng = np.random.default_rng(0)
    for number in range(3):
        values = rng.integers(0, 200, (40 + number, 51, 2)).astype(dtype)
        (tmp_path / "data").mkdir(exist_ok=True)
        np.save(tmp_path / f"data/{number}.npy", values)
    np.save(tmp_path / "data/3.npy", rng.random((41, 37, 2)))
    line = "--dataset_mode single --preprocess crop --crop_size 32 --input_nc 2 --seed 4"
    plain = open_on(tmp_path / "data", line, needs=("A",))
    cached = open_on(tmp_path / "data", f"{line} --cache {cache} --checkpoints_dir {tmp_path}", needs=("A",))
    for epoch in (1, 2):
        assert equal(list(cached.epoch(epoch)), list(plain.epoch(epoch)))
    assert cached.dataset.cache.missing() == []
    kinds = {slot.kind for slot in cached.dataset.cache.layout.values()}
    assert kinds == {getattr(torch, np.dtype(dtype).name), torch.float32}


@pytest.mark.parametrize(("direction", "source", "target"), [("AtoB", "4095", "255"), ("BtoA", "255", "4095")])
def test_the_way_back_goes_from_the_outputs_values_to_the_inputs(
        train: Callable, translate: Callable, dataroot: Path, direction: str, source: str, target: str):
    for side, value in (("A", 4095), ("B", 255)):
        for number in range(1, 5):
            write_values(dataroot / f"train{side}/{number}.png", value, side=64)
    train("--model cycle_gan --input_nc 1 --output_nc 1 --preprocess none --no_html")
    results = translate(f"--model test --direction {direction} --dataroot {dataroot}/trainB")
    saved = json.loads((results / "test_opt.json").read_text())
    assert [saved[f"{side}_range"]["value"] for side in ("input", "output")] == [f"uint16:0,{source}",
                                                                                 f"uint16:0,{target}"]
