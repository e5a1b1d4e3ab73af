"""Every ending that is listed can be read; files that hold more than one image say so, and others are told."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.folders import IMAGE_ENDINGS
from helpers.images import write_image
from helpers.loading import open_on
from helpers.pictures import write_dicom
from raster.bad_image import BadImage
from raster.picture import Origin, Picture
from raster.view import read_image
from raster.writing import write_picture
from util.errors import UserError


@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_files_of_every_ending_are_read(tmp_path: Path, ending: str):
    whole = Image.open(write_image(tmp_path / "whole.bmp"))
    path = tmp_path / f"1{ending}"
    if ending in (".npy", ".npz", ".nii", ".nii.gz"):
        write_picture(path, Picture(np.asarray(whole), Origin("NPY")))
    elif ending == ".dcm":
        write_dicom(path, np.asarray(whole))
    else:
        Image.init()
        whole.save(path, Image.EXTENSION.get(ending, "PPM"))  # .pnm
    loader = open_on(tmp_path, "--dataset_mode single --preprocess none", needs=("A",))
    assert loader.images == 2 and loader.notices == []
    error = np.asarray(read_image(tmp_path / f"1{ending}", 3), int) - np.asarray(whole)
    assert np.abs(error).mean() < (25 if ending in (".pbm", ".gif") else 6)


FRAMES = {"gif": {}, "webp": {"lossless": True}, "png": {}, "apng": {}, "tif": {}, "avif": {}}


@pytest.mark.parametrize("ending", FRAMES)
def test_of_several_frames_the_first_is_read_and_it_is_said(tmp_path: Path, ending: str):
    first, *others = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime"))
    path = tmp_path / f"1.{ending}"
    first.save(path, save_all=True, append_images=others, **FRAMES[ending])
    write_image(tmp_path / "2.png")
    loader = open_on(tmp_path, "--dataset_mode single", needs=("A",))
    assert loader.notices == [f"note: 1 of 2 images have several pages or frames, such as {path} with 3; the first of "
                              "each is read, --page all takes every one"]
    assert np.abs(np.asarray(read_image(path, 3), int) - (255, 0, 0)).max() < 5


def test_a_phones_photo_is_one_image(tmp_path: Path):
    photo = Image.new("RGB", (16, 16))
    photo.save(tmp_path / "1.jpg", "MPO", save_all=True, append_images=[photo])
    assert open_on(tmp_path, "--dataset_mode single", needs=("A",)).notices == []


@pytest.mark.parametrize("error", [NotImplementedError, RuntimeError, TypeError])
def test_a_codec_that_fails_is_a_bad_image(tmp_path: Path, monkeypatch, error: type[Exception]):
    def refuse(image: Image.Image) -> None:
        raise error("unknown pixel mode")
    path = write_image(tmp_path / "1.png")
    monkeypatch.setattr(Image.Image, "getexif", refuse)
    with pytest.raises(BadImage, match=r"1.png cannot be read as an image: unknown pixel mode"):
        read_image(path, 3)
    with pytest.raises(UserError, match=r"1 of 1 images are bad:\n.*unknown pixel mode"):
        open_on(tmp_path, "--dataset_mode single", needs=("A",))


@pytest.mark.parametrize(("mode", "folder"), [
    ("single", ""), ("aligned", "train"), ("aligned", "train/B"), ("unaligned", "trainB"), ("colorization", "train"),
    ("template", "train")])
def test_files_that_are_passed_over_are_counted(tmp_path: Path, mode: str, folder: str):
    for below in {"trainA", "trainB"} if mode == "unaligned" else {folder, folder.replace("B", "A")}:
        for number in range(4):
            write_image(tmp_path / below / f"{number}.png", 64, 32)
    for name in ("1.txt", "2.TXT", "deep/3.txt", "4.txt", "5.heic", "LICENSE", ".hidden"):
        (tmp_path / folder / name).parent.mkdir(exist_ok=True)
        (tmp_path / folder / name).touch()
    nc = "--input_nc 1 --output_nc 2" if mode == "colorization" else ""
    notice = open_on(tmp_path, f"--dataset_mode {mode} {nc}", needs=("A",)).notices[0]
    assert notice.startswith(f"note: 6 of 10 files in {tmp_path / folder} were passed over: 4 .txt, 1 .heic, 1 without "
                             "ending; read are .jpg .jpeg ")
