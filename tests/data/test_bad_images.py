"""Files that are no images, or only half of one: found before the first step, and left out when asked."""
import errno
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFile

import data
from data.integrity import inspect_image
from data.readers import BadImage, read_image
from data.template_dataset import TemplateDataset
from helpers.images import write_image
from helpers.loading import names, open_on
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
    "floats": (lambda path: Image.new("F", (4, 4)).save(path, "TIFF"), "floating point"),
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
    assert inspect_image(path) == ((50, 40), 1, None, False)
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


# --skip_bad_images

@pytest.mark.parametrize("mode", data.names())
def test_every_dataset_leaves_out_bad_images_and_says_so(dataroot: Path, mode: str):
    nc = "--input_nc 1 --output_nc 2" if mode == "colorization" else ""
    line = f"--dataset_mode {mode} {nc} --skip_bad_images"
    before = open_on(dataroot, line, needs=("A",))
    assert not any("bad" in notice for notice in before.notices)
    bad = list(before.dataset.files())[2]
    bad.write_text("no image")
    loader = open_on(dataroot, line, needs=("A",))
    assert loader.notices[0] == (
        f"note: 1 bad images are left out: {bad} cannot be read as an image: it is no image, or its header is damaged. "
        f"An epoch has {len(loader.dataset)} samples")
    assert bad not in loader.dataset.files() and set(loader.dataset.files()) < set(before.dataset.files())
    read = {path for epoch in range(1, 9) for batch in loader.epoch(epoch) for key in batch if key.endswith("_paths")
            for path in batch[key]}
    assert read == {str(path) for path in loader.dataset.files()} and loader.skipped == []


@pytest.mark.parametrize("side", "AB")
def test_a_pair_loses_both_sides(dataroot: Path, side: str):
    for phase in "AB":
        (dataroot / f"train{phase}").rename(dataroot / "train" / phase)
    (dataroot / "train" / side / "2.png").write_bytes(b"")
    loader = open_on(dataroot, "--dataset_mode aligned --skip_bad_images --serial_batches --batch_size 4")
    batches = list(loader.epoch(1))
    assert names(batches) == names(batches, "B") == [["1", "3", "4"]] and loader.images == 3


def test_the_notice_shows_the_first_few(dataroot: Path):
    for number in range(5):
        (dataroot / "trainA" / f"bad{number}.png").touch()
    loader = open_on(dataroot, "--skip_bad_images")
    (said,) = loader.notices
    assert loader.images == 4 and said.startswith("note: 5 bad images are left out: ")
    assert said.count("the file is empty; ") == 3
    assert "bad2.png" in said and "bad3.png" not in said and said.endswith("; ... and 2 more. An epoch has 4 samples")


@pytest.mark.parametrize(("mode", "folder"), [("aligned", "train"), ("unaligned", "trainB"), ("unaligned", "trainA")])
def test_nothing_left_is_an_error(dataroot: Path, mode: str, folder: str):
    for number in range(1, 5):
        (dataroot / folder / f"{number}.png").write_bytes(b"")
    said = r"^4 of [48] images are bad, and without them nothing is left:\n(.+empty\n?){4}$"
    with pytest.raises(UserError, match=said):
        open_on(dataroot, f"--dataset_mode {mode} --skip_bad_images")


def test_a_dataset_that_cannot_leave_out_says_so(dataroot: Path, monkeypatch):
    monkeypatch.delattr(TemplateDataset, "leave_out")
    (dataroot / "train" / "2.png").write_bytes(b"")
    with pytest.raises(UserError, match="--dataset_mode template cannot leave out images"):
        open_on(dataroot, "--dataset_mode template --skip_bad_images")


def rot(dataroot: Path, *numbers: int) -> None:
    """Damages images of trainA that the loader has checked already."""
    for number in numbers:
        (dataroot / "trainA" / f"{number}.png").write_text("no image")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("rotten", "expected"), [
    ((), [("12", 2), ("34", 2), ("5", 1)]),
    ((2,), [("1", 2), ("34", 2), ("5", 1)]),
    ((1, 4, 5), [("2", 2), ("3", 2)]),  # the last batch is lost
    ((1, 2, 3), [("4", 4), ("5", 1)]),  # the first batch is asked for with the second
])
def test_an_image_that_rots_while_training_is_skipped_and_told(dataroot: Path, workers: int, rotten, expected):
    write_image(dataroot / "trainA" / "5.png")
    line = f"--serial_batches --batch_size 2 --num_threads {workers} --skip_bad_images"
    loader = open_on(dataroot, line)
    rot(dataroot, *rotten)
    batches = list(loader.epoch(1))
    assert [("".join(stems), batch["asked"]) for stems, batch in zip(names(batches), batches, strict=True)] == expected
    assert [batch["A"].shape[0] for batch in batches] == [len(stems) for stems, _ in expected]
    assert loader.skipped == [f"{dataroot}/trainA/{number}.png cannot be read as an image: it is no image, or its "
                              "header is damaged" for number in rotten]


def test_an_epoch_in_which_everything_is_rotten_ends_the_training(dataroot: Path):
    loader = open_on(dataroot, "--serial_batches --batch_size 2 --skip_bad_images")
    rot(dataroot, 3, 4)
    assert list(loader.epoch(1, skip=2)) == []  # the rest of an epoch may be
    rot(dataroot, 1, 2)
    with pytest.raises(UserError, match=r"none of 4 samples could be read, the last because .*/trainA/4.png cannot"):
        list(loader.epoch(1))


def test_only_bad_images_are_skipped(dataroot: Path):
    for number in (1, 2):
        write_image(dataroot / "trainA" / f"{number}.png", 40, 40)
    loader = open_on(dataroot, "--serial_batches --preprocess crop --batch_size 2 --skip_bad_images")
    write_image(dataroot / "trainA" / "2.png", 20, 20)
    with pytest.raises(UserError, match=r"2.png: it is 20x20 pixels, smaller than --crop_size 32"):
        list(loader.epoch(1))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_a_machine_without_resources_is_no_bad_image(tmp_path: Path, monkeypatch, number: int):
    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number))
    path = write_image(tmp_path / "image.png")
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as error:
        read_image(path, 3)
    assert error.value.errno == number


def test_training_and_translating_go_on_without_bad_images(train, translate, dataroot: Path, capsys):
    for phase in ("train", "test"):
        (dataroot / phase / "2.png").write_bytes(b"")
    folder = train("--model pix2pix --skip_bad_images --print_freq 1")
    assert (folder / "loss_log.txt").read_text().count("iters:") == 3
    results = translate("--model pix2pix --skip_bad_images")
    assert sorted(path.name for path in (results / "images").glob("*_fake_B.png")) == [
        f"{number}_fake_B.png" for number in (1, 3, 4)]
    assert capsys.readouterr().out.count("note: 1 bad images are left out: ") == 2


def test_translating_names_what_could_not_be_read_after_the_check(train, translate, dataroot: Path, capsys):
    train("--model pix2pix")
    path = dataroot / "test/2.png"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 9] = bytes(9)  # passes the check, whose end is right
    path.write_bytes(content)
    capsys.readouterr()
    results = translate("--model pix2pix --skip_bad_images")
    assert f"note: 1 images could not be read and were left out:\n  {path} cannot be read as an image: " in (
        capsys.readouterr().out)
    assert sorted(picture.name[0] for picture in (results / "images").glob("*_fake_B.png")) == ["1", "3", "4"]
