"""test.py on deep, float and many-band pictures: what it writes is like what it reads, value for value."""
import io
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from helpers.commands import TINY, load_command
from helpers.images import bands, read_pixels
from models.template_model import TemplateModel
from models.test_model import TestModel
from raster.picture import Origin, Picture
from raster.reading import read_picture
from raster.writing import write_picture

GEO = {33550: (10.0, 10.0, 0.0), 33922: (0.0, 0.0, 0.0, 399960.0, 4300020.0, 0.0)}
PLACE = Origin("TIFF", (300.0, 300.0), GEO)


def identity(model: TemplateModel | TestModel, batch: dict) -> dict:
    """A translation that is its input: as many bands of it as the output has, repeated where it has more."""
    real, fake, *_ = model.visual_names
    some = torch.arange(model.opt.output_nc) % batch["A"].shape[1]
    return {real: batch["A"], fake: batch["A"][:, some]} | ({"real_B": batch["B"]} if "B" in batch else {})


@pytest.fixture
def translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
               ) -> Callable[..., tuple[Path, str]]:
    """Trains on pairs of pictures, name -> (A, B), and translates them; returns the results and what was said."""
    import train as command

    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data"

    def run(pairs: dict[str, tuple[Picture, Picture]], line: str = "", testing: str = "") -> tuple[Path, str]:
        for name, sides in pairs.items() if not root.exists() else ():
            for side, picture in zip("AB", sides, strict=True):
                for phase in ("train", "test"):
                    write_picture(root / f"{phase}{side}" / name, picture)
        nc = [next(iter(pairs.values()))[place].values.shape[2] for place in (0, 1)]
        if not (tmp_path / "checkpoints").exists():
            command.main(f"--dataroot {root} --model template --input_nc {nc[0]} --output_nc {nc[1]} {TINY} "
                         f"--preprocess none --name run {line}".split())
        for model in (TemplateModel, TestModel):
            monkeypatch.setattr(model, "translate", identity)
        capsys.readouterr()
        load_command("test").main(f"--dataroot {root} --name run --num_threads 0 --gpu_ids -1 {testing}".split())
        return tmp_path / "results" / "run" / "test_latest", capsys.readouterr().out
    return run


def pair(channels: tuple[int, int], ending: str = "tif", dtype: str = "uint16", low: float = 0, high: float = 4095,
         count: int = 2, origin: Origin = PLACE) -> dict[str, tuple[Picture, Picture]]:
    return {f"{n}.{ending}": tuple(Picture(bands(10 * n + place, nc, dtype, low, high), origin)
                                   for place, nc in enumerate(channels)) for n in range(1, count + 1)}


@pytest.mark.parametrize("ending, dtype, low, high, channels", [
    ("tif", "uint16", 0, 4095, (2, 2)), ("png", "uint16", 0, 65535, (1, 1)), ("npy", "int16", -1000, 3000, (1, 3)),
    ("tif", "float32", 0, 1, (13, 3)), ("tif", "uint8", 0, 255, (4, 5)), ("npz", "uint16", 0, 1023, (3, 3)),
])
def test_an_identity_gives_every_value_back_in_the_format_of_the_input(translated, ending, dtype, low, high, channels):
    pairs = pair(channels, ending, dtype, low, high)
    folder, _ = translated(pairs)
    shown = json.loads((folder / "names.json").read_text())
    for name, (A, B) in pairs.items():
        stem = name.split(".")[0]
        some = np.arange(channels[1]) % channels[0]
        for label, expected in (("real_A", A.values), ("fake_B", A.values[:, :, some]), ("real_B", B.values)):
            if dtype == "uint8" and expected.shape[2] in (1, 3):
                assert label not in shown["values"][stem]
                continue
            own = shown["values"][stem][label]
            found = read_picture(folder / "values" / own["file"])
            assert found.values.dtype == dtype and own["file"] == f"{stem}_{label}.{ending}"
            if dtype == "float32":
                np.testing.assert_allclose(found.values, expected, rtol=0, atol=2**-23)
            else:
                np.testing.assert_array_equal(found.values, expected)
            assert own["range"] == f"{dtype}:{low},{high}" and own["channels"] == expected.shape[2]
            if ending == "tif":
                assert found.origin == PLACE
    assert sorted(path.name for path in (folder / "values").iterdir()) == sorted(
        own["file"] for row in shown["values"].values() for own in row.values())


def test_the_page_shows_views_with_their_window_and_bands(translated):
    pairs = pair((13, 2))
    folder, _ = translated(pairs, testing="--show_bands 4,3,2")
    page = (folder / "index.html").read_text()
    assert '<a class="values" href="values/1_real_A.tif">0 to 4095, bands 4, 3, 2 of 13</a>' in page
    assert '<a class="values" href="values/1_fake_B.tif">0 to 4095, band 1 of 2</a>' in page
    assert "the pictures are views of 8 bits" in page
    A, B = pairs["1.tif"]
    expected = np.rint(A.values[:, :, [3, 2, 1]] / 4095 * 255)
    np.testing.assert_allclose(read_pixels(folder / "images" / "1_real_A.png"), expected, atol=1)
    with Image.open(folder / "images" / "1_real_B.png") as view:
        assert view.mode == "L"
        np.testing.assert_allclose(np.asarray(view), np.rint(B.values[:, :, 0] / 4095 * 255), atol=1)
    folder, _ = translated(pairs)
    assert "bands 1, 2, 3 of 13" in (folder / "index.html").read_text()


@pytest.mark.parametrize("format, ending", [("npy", "npy"), ("tiff", "tif"), ("as_input", "png"), ("nifti", "nii.gz")])
def test_a_format_that_is_asked_for(translated, format, ending):
    pairs = pair((1, 1), "png", origin=Origin("PNG"))
    folder, _ = translated(pairs, testing=f"--format {format}")
    found = read_picture(folder / "values" / f"1_fake_B.{ending}")
    np.testing.assert_array_equal(found.values, pairs["1.png"][0].values)


def test_a_format_that_cannot_hold_the_results_is_refused(translated, capsys):
    with pytest.raises(SystemExit) as left:
        translated(pair((2, 2)), testing="--format jpg")
    assert left.value.code == 2
    assert "--format jpg does not hold 2 channels, only 1 or 3 nor uint16 values, only uint8; give --format tiff" in (
        capsys.readouterr().err)


def test_results_of_8_bits_are_written_in_the_format_that_is_asked_for_and_nothing_beside_otherwise(translated):
    pairs = pair((3, 1), "png", "uint8", 0, 255)
    folder, _ = translated(pairs)
    assert not (folder / "values").exists() and 'class="values"' not in (folder / "index.html").read_text()
    with Image.open(folder / "images" / "1_real_B.png") as gray:
        assert gray.mode == "L"
        np.testing.assert_array_equal(np.asarray(gray), pairs["1.png"][1].values[:, :, 0])
    expected = io.BytesIO()
    Image.fromarray(pairs["1.png"][0].values).save(expected, "PNG", compress_type=zlib.Z_RLE)
    assert (folder / "images" / "1_real_A.png").read_bytes() == expected.getvalue()
    folder, _ = translated(pairs, testing="--format png")
    assert not (folder / "values").exists()
    folder, _ = translated(pairs, testing="--format tiff")
    np.testing.assert_array_equal(tifffile.imread(folder / "values" / "1_real_A.tif"), pairs["1.png"][0].values)
    translated(pairs)
    assert not list((folder / "values").iterdir())  # what only an earlier test named


def test_only_the_pictures_that_are_asked_for_are_written(translated, capsys):
    pairs = pair((2, 2), count=1)
    folder, _ = translated(pairs, testing="--save fake_B,real_A")
    assert {path.name for path in (folder / "images").iterdir()} == {"1_real_A.png", "1_fake_B.png"}
    assert {path.name for path in (folder / "values").iterdir()} == {"1_real_A.tif", "1_fake_B.tif"}
    assert json.loads((folder / "names.json").read_text())["labels"] == ["real_A", "fake_B"]
    with pytest.raises(SystemExit):
        translated(pairs, testing="--save fakeB")
    assert "--save fakeB: there is no picture fakeB (did you mean fake_B?). Known: real_A, fake_B, real_B" in (
        capsys.readouterr().err)


def test_no_data_stays_no_data_and_is_white(translated):
    A = bands(1, 2, "float32", 0, 1)
    A[5:9, 3:20] = -9999
    pairs = {"1.tif": (Picture(A, PLACE, -9999.0), Picture(bands(2, 2, "float32", 0, 1), PLACE))}
    folder, _ = translated(pairs)
    found = read_picture(folder / "values" / "1_fake_B.tif")
    assert found.no_data == -9999
    np.testing.assert_array_equal(found.void(), pairs["1.tif"][0].void())
    assert (read_pixels(folder / "images" / "1_fake_B.png")[5:9, 3:20] == 255).all()
    assert "pixels without data are white" in (folder / "index.html").read_text()
    assert read_picture(folder / "values" / "1_real_B.tif").void() is None


def test_what_a_file_cannot_keep_is_said(translated):
    pairs = pair((2, 2), count=1)
    _, said = translated(pairs)
    assert "files in values/" not in said
    _, said = translated(pairs, testing="--preprocess resize_and_crop --load_size 16 --crop_size 16")
    assert ("note: 3 files in values/, such as 1_real_A.tif, lack the resolution and the place (geo tags, affine) of "
            "the input, since sizes differ") in said
    _, said = translated(pairs, testing="--format npy")
    assert ("note: 3 files in values/, such as 1_real_A.npy, lack the resolution and the place (geo tags, affine), "
            "which such files do not keep (--format tiff does)") in said


def test_folders_keep_their_tree_and_the_run_says_the_range_of_the_output(translated, tmp_path):
    translated({"1.tif": (Picture(bands(1, 1), PLACE), Picture(bands(2, 1, "int16", -500, 500), PLACE))})
    shutil.rmtree(tmp_path / "data")
    write_picture(tmp_path / "new" / "a" / "deep" / "x.tif", Picture(bands(3, 1), PLACE))
    write_picture(tmp_path / "new" / "b" / "x.tif", Picture(bands(4, 1), PLACE))
    command = load_command("test")
    command.main(f"--dataroot {tmp_path}/new --name run --model test --num_threads 0 --gpu_ids -1 --overwrite".split())
    folder = tmp_path / "results" / "run" / "test_latest"
    assert {path.relative_to(folder).as_posix() for path in (folder / "values").rglob("*.tif")} == {
        f"values/{name}_{label}.tif" for name in ("a/deep/x", "b/x") for label in ("real", "fake")}
    found = read_picture(folder / "values" / "a" / "deep" / "x_fake.tif")
    assert found.values.dtype == np.int16 and found.origin == PLACE
    assert found.values.min() >= -500 and found.values.max() <= 500
    np.testing.assert_array_equal(read_picture(folder / "values" / "b" / "x_real.tif").values, bands(4, 1))


def test_an_image_of_8_bits_among_deep_ones_is_shown_as_it_is_and_translated_into_deep_values(translated, tmp_path):
    translated(pair((1, 1)))
    plain = Picture(bands(3, 1, "uint8", 0, 255), PLACE)
    for side in "AB":
        write_picture(tmp_path / "data" / f"test{side}" / "3.tif", plain)
    folder, _ = translated(pair((1, 1)), testing="--overwrite")
    rows = json.loads((folder / "names.json").read_text())["values"]
    assert {label: own["range"] for label, own in rows["3"].items()} == {"fake_B": "uint16:0,4095"}
    for label in ("real_A", "real_B"):
        shown = np.asarray(Image.open(folder / "images" / f"3_{label}.png"))
        np.testing.assert_array_equal(shown, plain.values[..., 0])
    expected = np.rint(plain.values / 255.0 * 4095).astype(np.uint16)
    np.testing.assert_array_equal(read_picture(folder / "values" / "3_fake_B.tif").values, expected)


def test_everything_that_watches_a_training_shows_pictures_of_many_bands(tmp_path, monkeypatch):
    import train as command

    monkeypatch.chdir(tmp_path)
    for phase in ("train", "val"):
        for number, (A, B) in enumerate(pair((6, 2)).values(), start=1):
            write_picture(tmp_path / "data" / f"{phase}A" / f"{number}.tif", A)
            write_picture(tmp_path / "data" / f"{phase}B" / f"{number}.tif", B)
    command.main(f"--dataroot {tmp_path}/data --model pix2pix --netG resnet_6blocks --input_nc 6 --output_nc 2 {TINY} "
                 "--preprocess none --name run --no_flip --serial_batches --show_bands 6,5,4 --update_html_freq 1 "
                 "--display_freq 1 --use_tensorboard --val_freq 1 --val_metrics mae".split())
    images = tmp_path / "checkpoints" / "run" / "web" / "images"
    for name, number in (("epoch001", 2), ("val_0001", 1)):  # the newest batch, and the first that is held out
        A, B = pair((6, 2))[f"{number}.tif"]
        expected = np.rint(A.values[:, :, [5, 4, 3]] / 4095 * 255)
        np.testing.assert_allclose(read_pixels(images / f"{name}_real_A.png"), expected, atol=1)
        expected = np.rint(B.values[:, :, :1] / 4095 * 255).repeat(3, axis=2)
        np.testing.assert_allclose(read_pixels(images / f"{name}_real_B.png"), expected, atol=1)
    assert list((tmp_path / "checkpoints" / "run" / "tensorboard").iterdir())
