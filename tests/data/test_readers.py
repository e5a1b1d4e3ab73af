"""Every kind of image file becomes an upright 8-bit gray or RGB image; the others are named."""
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.integrity import inspect_image
from helpers.images import STORED, write_image
from raster.view import read_image
from util.errors import UserError


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_images_are_turned_upright(tmp_path: Path, orientation: int, ending: str):
    upright = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{ending}"
    Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))).save(path, exif=exif)
    assert np.array_equal(np.asarray(read_image(path, 3)), upright)
    assert inspect_image(path).size == (5, 3)


def palette() -> Image.Image:
    """Two pixels, the palette's colours 0 and 1: red and blue."""
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    return image


def pixels(mode: str, *values) -> Image.Image:
    """An image of one row."""
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return image


def deep(*values: int, dtype: type = np.uint16) -> Image.Image:
    """A gray image of one row with more than 8 bits."""
    return Image.fromarray(np.array([values], dtype))


WHITE, RED, BLUE, BLACK = [255] * 3, [255, 0, 0], [0, 0, 255], [0] * 3
KINDS = {
    "palette": (palette(), "png", {}, [RED, BLUE]),
    "palette_transparent": (palette(), "png", {"transparency": 0}, [WHITE, BLUE]),
    "palette_gif_in_webp": (palette().convert("RGB"), "webp", {"lossless": True}, [RED, BLUE]),
    "rgba": (pixels("RGBA", (255, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 51)), "png", {}, [RED, WHITE, [204] * 3]),
    "rgb_transparent": (pixels("RGB", (0, 0, 0), (0, 0, 255)), "png", {"transparency": (0, 0, 0)}, [WHITE, BLUE]),
    "gray_alpha": (pixels("LA", (7, 255), (7, 0), (0, 51)), "png", {}, [[7] * 3, WHITE, [204] * 3]),
    "cmyk": (pixels("CMYK", (0, 255, 255, 0), (255, 255, 0, 0), (0, 0, 0, 255)), "tif", {}, [RED, BLUE, BLACK]),
    "gray": (pixels("L", 0, 100, 255), "png", {}, [BLACK, [100] * 3, WHITE]),
    "one_bit": (pixels("1", 0, 1), "png", {}, [BLACK, WHITE]),
    "gray16_png": (deep(0, 255, 77 * 257, 65535), "png", {}, [BLACK, [1] * 3, [77] * 3, WHITE]),
    "gray16_tif": (deep(256, 128 * 257), "tif", {}, [[1] * 3, [128] * 3]),
    "gray32_tif": (deep(0, 77 * 256, 65535, dtype=np.int32), "tif", {}, [BLACK, [77] * 3, WHITE]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_colours_of_every_kind_of_file(tmp_path: Path, kind: str):
    image, ending, how, expected = KINDS[kind]
    path = tmp_path / f"image.{ending}"
    image.save(path, **how)
    read = read_image(path, 3)
    assert (read.mode, np.asarray(read).tolist()) == ("RGB", [expected])


def test_gray_pgm_of_16_bits(tmp_path: Path):
    path = tmp_path / "image.pgm"
    path.write_bytes(b"P5 2 1 65535\n" + bytes([77, 200, 255, 255]))
    assert np.asarray(read_image(path, 1)).tolist() == [[77, 255]]


def test_one_channel_is_luminance(tmp_path: Path):
    path = tmp_path / "image.png"
    pixels("RGBA", (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (9, 9, 9, 0)).save(path)
    read = read_image(path, 1)
    assert (read.mode, np.asarray(read).tolist()) == ("L", [[76, 150, 29, 255]])  # 0.299 R + 0.587 G + 0.114 B


def text(path: Path) -> None:
    path.write_text("no image")


def half_a_file(path: Path) -> None:
    write_image(path, 64, 64)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def odd_numbers(path: Path) -> None:
    path.write_bytes(b"P6 2 2 70000\n" + bytes(12))


def enormous(path: Path) -> None:
    path.write_bytes(b"P5 99999 99999 255\n")


def broken_exif(path: Path) -> None:
    Image.new("RGB", (4, 4)).save(path, "webp", exif=b"Exif\0\0no exif")


def broken_chunk(path: Path) -> None:
    write_image(path)
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "webp"])
@pytest.mark.parametrize("damage", [text, half_a_file])
def test_unreadable_files_are_named(tmp_path: Path, damage: Callable, ending: str):
    path = tmp_path / f"bad.{ending}"
    damage(path)
    with pytest.raises(UserError, match=f"bad.{ending} cannot be read as an image: ."):
        read_image(path, 3)


@pytest.mark.parametrize("read", [lambda path: read_image(path, 3), inspect_image])
@pytest.mark.parametrize("damage", [text, broken_chunk, odd_numbers, enormous, broken_exif, lambda path: None])
def test_unreadable_headers_are_named(tmp_path: Path, damage: Callable, read: Callable):
    damage(tmp_path / "bad.png")
    with pytest.raises(UserError, match=r"bad.png cannot be read as an image: ."):
        read(tmp_path / "bad.png")
