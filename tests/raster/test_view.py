"""Pictures of any type and number of channels can be looked at in 8 bits."""
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.pictures import write_dicom
from raster.picture import Origin, Picture
from raster.value_range import BYTES, ValueRange
from raster.view import byte_view, own_range, read_image


def picture(values: object, dtype: str, alpha: bool = False, no_data: float | None = None) -> Picture:
    return Picture(np.array(values, dtype), Origin("TIFF", alpha=alpha), no_data)


def test_the_range_becomes_0_to_255_and_what_is_missing_white():
    seen = byte_view(picture([[[0], [100], [200], [9999], [-1]]], "int16", no_data=-1), ValueRange(0, 200, "int16"))
    assert seen.dtype == np.uint8 and seen.tolist() == [[[0] * 3, [128] * 3, [255] * 3, [255] * 3, [255] * 3]]
    seen = byte_view(picture([[[np.nan], [1]]], "float32"), ValueRange(-1, 1))
    assert seen.tolist() == [[[255] * 3, [255] * 3]]


@pytest.mark.parametrize(("pixel", "alpha", "expected"), [
    ([7], False, [7, 7, 7]), ([7, 8], False, [7, 7, 7]), ([7, 8, 9], False, [7, 8, 9]),
    ([7, 8, 9, 0], False, [7, 8, 9]),
    ([7, 8, 9, 0], True, [255, 255, 255]), ([7, 255], True, [7, 7, 7]), ([1, 2, 3, 4, 5], False, [1, 2, 3])])
def test_which_channels_are_seen(pixel: list[int], alpha: bool, expected: list[int]):
    assert byte_view(picture([[pixel]], "uint8", alpha), BYTES).tolist() == [[expected]]


@pytest.mark.parametrize(("values", "dtype", "low", "high"), [
    ([0, 7], "uint8", 0, 255), ([0, 900], "uint16", 0, 1023), ([0, 4095], "uint16", 0, 4095),
    ([-1024, 3000], "int16", -1024, 3000), ([0, 0.5], "float32", 0, 1), ([-0.5, 0.5], "float32", -1, 1),
    ([-3, np.nan, 8, np.inf], "float32", -3, 8), ([5, 5], "int32", 5, 6), ([np.nan], "float32", 0, 1),
    ([2.0**70], "float64", 2.0**70, 2.0**70 + 2.0**50)])
def test_the_range_that_suits_a_file(values: list[float], dtype: str, low: float, high: float):
    assert own_range(picture([[[value] for value in values]], dtype)) == ValueRange(low, high, dtype)


def test_files_of_any_type_are_seen(tmp_path: Path):
    ramp = np.linspace(0, 1, 256).reshape(16, 16)
    tifffile.imwrite(tmp_path / "1.tif", (ramp * 4095).astype(np.uint16), photometric="minisblack")
    tifffile.imwrite(tmp_path / "2.tif", (ramp * 7 - 3).astype(np.float32), photometric="minisblack")
    np.save(tmp_path / "3.npy", np.repeat(ramp[None], 6, axis=0).astype(np.float32))
    write_dicom(tmp_path / "4.dcm", (ramp * 4000).astype(np.uint16), RescaleSlope=1, RescaleIntercept=-1000,
                BitsStored=12, HighBit=11)
    expected = np.arange(256).reshape(16, 16, 1).repeat(3, 2)
    for name in ("1.tif", "2.tif", "3.npy", "4.dcm"):
        seen = read_image(tmp_path / name, 3)
        assert seen.mode == "RGB" and np.abs(np.asarray(seen, int) - expected).max() <= 1, name
        assert read_image(tmp_path / name, 1).mode == "L"
    bright = read_image(tmp_path / "1.tif", 1, ValueRange(0, 65535))
    assert np.asarray(bright).max() == 16  # in the range of a whole set


def test_8_bits_are_seen_as_pillow_has_them(tmp_path: Path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8))
    for ending in ("png", "tif", "bmp"):
        image.save(tmp_path / f"1.{ending}")
        assert np.array_equal(np.asarray(read_image(tmp_path / f"1.{ending}", 3)), np.asarray(image))
        assert np.array_equal(np.asarray(read_image(tmp_path / f"1.{ending}", 1)), np.asarray(image.convert("L")))
