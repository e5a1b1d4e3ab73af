"""Files that are no images, or only half of one, are found before the first step."""
import errno
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from data.integrity import Look, inspect_image
from helpers.images import write_image
from helpers.loading import open_on
from raster.bad_image import BadImage
from raster.view import read_image
from util.errors import UserError

FORMATS = {  # by name: ending, and how it is written
    "jpeg": ("jpg", {}), "jpeg_progressive": ("jpg", {"progressive": True}), "jpeg_cmyk": ("jpg", {"mode": "CMYK"}),
    "png": ("png", {}), "webp": ("webp", {}), "webp_lossless": ("webp", {"lossless": True}), "bmp": ("bmp", {}),
    "ppm": ("ppm", {}), "tiff": ("tif", {}), "tiff_lzw": ("tif", {"compression": "tiff_lzw"}),
    "tiff_jpeg": ("tif", {"compression": "jpeg"}),
    "tiff_strips": ("tif", {"compression": "tiff_lzw", "strip_size": 999}),
    "gif": ("png", {"format": "GIF"}),  # the content decides
}

DECODED = {"bmp", "ppm", "gif", "tiff_jpeg"}  # formats whose end cannot be seen from outside


def encoded(kind: str, width: int = 50, height: int = 40) -> bytes:
    """An image file of that format; where it can, with a thumbnail in its header that ends as a JPEG does."""
    ending, how = FORMATS[kind]
    noise = Image.effect_noise((width, height), 60).convert(how.get("mode", "RGB"))
    thumbnail, file = io.BytesIO(), io.BytesIO()
    noise.resize((8, 8)).save(thumbnail, "JPEG")
    exif = {"icc_profile": thumbnail.getvalue()} if ending == "jpg" else {}
    noise.save(file, **({"format": Image.registered_extensions()[f".{ending}"]} | exif | how))
    return file.getvalue()


def cut(part: float, kind: str) -> Callable[[Path], object]:
    """Writes the first `part` of a file of that format."""
    def damage(path: Path) -> None:
        content = encoded(kind)
        path.write_bytes(content[:int(len(content) * part)])
    return damage


def no_width(path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)
    content = bytearray(encoded("png"))
    content[12:33] = header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(content)


BAD = {
    "empty": (lambda path: path.touch(), "the file is empty"),
    "text": (lambda path: path.write_text("no image"), "it is no image, or its header is damaged"),
    "zeros": (lambda path: path.write_bytes(bytes(9999)), "it is no image, or its header is damaged"),
    "dangling_link": (lambda path: path.symlink_to("nowhere.png"), "it is a link to nowhere.png, which does not exist"),
    "link_to_itself": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "pipe": (os.mkfifo, "it is not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
    "bomb": (lambda path: path.write_bytes(b"P5 99999 99999 255\n"), "9999800001 pixels, more than --max_pixels"),
    "no_width": (no_width, "it is no image"),
    "odd_numbers": (lambda path: path.write_bytes(b"P6 2 2 70000\n" + bytes(12)), "maxval"),
    "png_without_end": (lambda path: path.write_bytes(encoded("png")[:-40]), "truncated"),
    **{f"half_{kind}": (cut(0.5, kind), "") for kind in FORMATS},
    **{f"most_{kind}": (cut(0.95, kind), "") for kind in FORMATS},
}


@pytest.mark.parametrize("kind", BAD)
def test_every_kind_of_bad_file_is_found_before_training(dataroot: Path, kind: str):
    path = dataroot / "trainA" / "bad.png"
    damage, reason = BAD[kind]
    damage(path)
    with pytest.raises(UserError) as error:
        open_on(dataroot, "")
    head, row, advice = str(error.value).split("\n")
    assert head == "1 of 9 images are bad:"
    assert advice == "repair or remove them, or leave them out with --skip_bad_images"
    assert row.startswith(f"  {path} cannot be read as an image: ") and reason in row
    with pytest.raises(BadImage):  # what the check refuses, training could not read
        read_image(path, 3)


def test_a_file_that_may_not_be_read_is_found(dataroot: Path, monkeypatch):
    def refuse(path: Path) -> Image.Image:
        if path.name == "3.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))  # to root nothing is forbidden
        return original(path)
    original = Image.open
    monkeypatch.setattr(Image, "open", refuse)
    twice = r"(\n  .*/3.png cannot be read as an image: Permission denied){2}\n"
    with pytest.raises(UserError, match="2 of 8 images are bad:" + twice):
        open_on(dataroot, "")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("behind", [b"", b"x" * 100, b"x" * 9000])
def test_whole_files_pass_and_are_decoded_only_where_they_must_be(tmp_path: Path, monkeypatch, kind: str,
                                                                  behind: bytes):
    path, decoded, load = tmp_path / "image.png", [], ImageFile.ImageFile.load
    path.write_bytes(encoded(kind) + behind)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(1) or load(image))
    assert inspect_image(path) == Look((50, 40))
    hidden = len(behind) > 4096 and kind.startswith(("jpeg", "png"))  # the end is too far from the file's
    assert bool(decoded) == (kind in DECODED or hidden)


def test_an_image_of_many_pixels_is_refused_until_it_is_allowed(dataroot: Path):
    path = write_image(dataroot / "trainA/large.png", 1000, 800)
    with pytest.raises(UserError, match=r"large.png .*: it has 800000 pixels, more than --max_pixels 700000; give "
                                        "--max_pixels 800000"):
        open_on(dataroot, "--max_pixels 700000")
    assert len(list(open_on(dataroot, "--max_pixels 800000").epoch(1))) == 5
    with pytest.raises(BadImage, match="more than --max_pixels 700000"):
        read_image(path, 3, max_pixels=700_000)


@pytest.mark.slow
def test_more_pixels_than_pillow_allows(tmp_path: Path):
    path = tmp_path / "train/1.png"
    path.parent.mkdir()
    Image.new("1", (14_000, 13_000)).save(path)
    with pytest.raises(UserError, match="it has 182000000 pixels, more than --max_pixels 178956970"):
        open_on(tmp_path, "--dataset_mode template")
    (batch,) = open_on(tmp_path, "--dataset_mode template --max_pixels inf").epoch(1)
    assert batch["B"].shape == (1, 3, 32, 32)


@pytest.mark.parametrize("command", ["train", "translate"])
def test_both_commands_list_all_bad_files_and_leave_with_2(command: str, dataroot: Path, request, train, failure):
    train("--model pix2pix")
    for phase in ("train", "test"):
        for number in range(25):
            (dataroot / phase / f"bad{number}.jpg").touch()
    name, folder = ("other", dataroot / "train") if command == "train" else ("run", dataroot / "test")
    code, said = failure(request.getfixturevalue(command), f"--model pix2pix --name {name}")
    assert code == 2 and "error: 25 of 29 images are bad:\n" in said
    listed = [row for row in said.splitlines() if row.startswith("  ")]
    assert listed == [*(f"  {folder}/bad{number}.jpg cannot be read as an image: the file is empty"
                        for number in range(20)), "  ... and 5 more"]
    assert "--skip_bad_images" in said and not Path("checkpoints/other/latest_net_G.pth").exists()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_a_machine_without_resources_is_no_bad_image(tmp_path: Path, monkeypatch, number: int):
    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number))
    path = write_image(tmp_path / "image.png")
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as error:
        read_image(path, 3)
    assert error.value.errno == number
