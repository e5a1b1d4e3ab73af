"""The toy set in more than 8 bits, with other bands, and as one giant photo."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

DATASETS = Path(__file__).resolve().parents[2] / "datasets"

sys.path.insert(0, str(DATASETS))  # as for a script that is run from there
import toy_giant
import toy_maps

SMALL = ["--size", "32", "--n_train", "3", "--n_test", "2"]


def make(out: Path, *flags: str) -> Path:
    assert toy_maps.main(["--out", str(out), *SMALL, *flags]) == 0
    return out


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("toy") / "plain")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("toy") / "deep", "--bits", "16")


def halves(plain: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    pair = np.asarray(Image.open(plain / name))
    return pair[:, :32], pair[:, 32:]


def test_the_layout_of_a_deep_set(plain: Path, deep: Path):
    pairs = {f"train/{side}/000{k}.tif" for k in (1, 2, 3) for side in "AB"} | {
        f"test/{side}/000{k}.tif" for k in (1, 2) for side in "AB"}
    piles = {"trainA/0001.tif", "trainA/0003.tif", "trainB/0002.tif", "testA/0001.tif", "testB/0002.tif"}
    classes = {path.relative_to(plain).as_posix() for path in (plain / "classes").rglob("*.png")}
    found = {path.relative_to(deep).as_posix() for path in deep.rglob("*") if path.is_file()}
    assert found == pairs | piles | classes | {"palette.txt", "toy_maps.json"}
    assert (deep / "trainA/0001.tif").read_bytes() == (deep / "train/A/0001.tif").read_bytes()
    assert (deep / "trainB/0002.tif").read_bytes() == (deep / "train/B/0002.tif").read_bytes()
    assert (deep / "classes/train/0001.png").read_bytes() == (plain / "classes/train/0001.png").read_bytes()
    settings = json.loads((deep / "toy_maps.json").read_text())
    assert (settings["values"], settings["bands"]) == ("uint16", 0)
    assert not {"values", "bands"} & json.loads((plain / "toy_maps.json").read_text()).keys()


@pytest.mark.parametrize("flag, kind, level", [("--bits 16", "uint16", 257), ("--float", "float32", 1 / 255)])
def test_rounded_values_are_those_of_the_plain_set(plain: Path, tmp_path: Path, flag: str, kind: str, level: float):
    out = make(tmp_path / "set", *flag.split())
    for name in ("train/0001", "train/0002", "test/0001"):
        for side, expected in zip("AB", halves(plain, f"{name}.png"), strict=True):
            found = tifffile.imread(out / f"{name.replace('/', f'/{side}/')}.tif")
            assert found.dtype == kind and found.shape == (32, 32, 3)
            assert np.array_equal(np.rint(found / level), expected)
            assert len(np.unique(found)) > (300 if side == "A" else len(np.unique(expected)))  # finer than 8 bits


def test_bands_are_infrared_and_colours_and_then_classes_by_levels_of_their_own(plain: Path, tmp_path: Path):
    out = make(tmp_path / "set", "--bands", "6")
    photo, street_map = (tifffile.imread(out / f"train/{side}/0001.tif") for side in "AB")
    before, map_before = halves(plain, "train/0001.png")
    classes = np.asarray(Image.open(out / "classes/train/0001.png"))
    assert photo.shape == (32, 32, 6) and photo.dtype == np.uint8
    assert np.array_equal(photo[:, :, 1:4], before) and np.array_equal(street_map, map_before)
    infrared = [photo[:, :, 0][classes == kind].mean() for kind in range(6) if (classes == kind).any()]
    assert max(infrared) > 120 > 40 > min(infrared)
    assert not np.array_equal(photo[:, :, 4], photo[:, :, 5]) and photo[:, :, 4:].std() > 10
    one = tifffile.imread(make(tmp_path / "one", "--bands", "1") / "train/A/0001.tif")
    assert np.array_equal(one.reshape(32, 32), photo[:, :, 0])
    two = tifffile.imread(make(tmp_path / "two", "--bands", "2", "--bits", "16") / "train/A/0001.tif")
    assert two.shape == (32, 32, 2) and np.array_equal(np.rint(two / 257), photo[:, :, :2])


def test_a_folder_that_is_there_is_left_or_drawn_anew(tmp_path: Path, capsys: pytest.CaptureFixture):
    out = make(tmp_path / "set", "--bits", "16")
    make(out, "--bits", "16")
    assert capsys.readouterr().out.endswith("already there\n")
    make(out, "--float")
    assert tifffile.imread(out / "train/A/0001.tif").dtype == np.float32
    make(out)  # back to the plain one: what the deep set wrote is gone
    assert not list(out.rglob("*.tif")) and (out / "train/0001.png").exists()


@pytest.fixture
def few_towns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy_giant, "TOWNS", 5)


def test_a_giant_photo_is_a_tiled_bigtiff_of_turned_towns(tmp_path: Path, few_towns: None):
    path = make(tmp_path / "giant.tif", "--giant", "192", "--bits", "16", "--bands", "2")
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert (file.is_bigtiff, page.is_tiled, page.tile, page.dtype) == (True, True, (32, 32), np.uint16)
        whole = page.asarray()
    assert whole.shape == (192, 192, 2)
    town = {tuple(np.sort(tile, axis=None).tolist()) for row in np.split(whole, 6) for tile in np.split(row, 6, axis=1)}
    assert len(town) == 5  # each is one of them, whichever way it is turned
    tiles = {tile.tobytes() for row in np.split(whole, 6) for tile in np.split(row, 6, axis=1)}
    assert len(tiles) > 15
    assert tifffile.imread(make(tmp_path / "one.tif", "--giant", "64", "--bands", "1")).shape[:2] == (64, 64)
    small = tifffile.imread(make(tmp_path / "small.tif", "--giant", "64", "--bits", "16", "--bands", "2"))
    assert np.array_equal(small, whole[:64, :64])
    assert [entry.name for entry in sorted(tmp_path.iterdir())] == ["giant.tif", "one.tif", "small.tif"]


def test_a_giant_of_8_bits_is_made_of_the_towns_of_the_set(plain: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(toy_giant, "TOWNS", 1)
    whole = tifffile.imread(make(tmp_path / "giant.tif", "--giant", "32"))
    town = halves(plain, "test/0001.png")[0]
    assert any(np.array_equal(whole, np.rot90(town, k)[:, ::way]) for k in range(4) for way in (-1, 1))


def test_a_giant_that_is_there_and_one_in_the_way(tmp_path: Path, few_towns: None, capsys):
    path = make(tmp_path / "giant.tif", "--giant", "64")
    make(path, "--giant", "64")
    assert capsys.readouterr().out.endswith("already there\n")
    make(path, "--giant", "96")
    assert tifffile.imread(path).shape == (96, 96, 3)
    for write in (lambda: path.write_bytes(b"mine"), lambda: tifffile.imwrite(path, np.zeros((4, 4)))):
        write()
        before = path.read_bytes()
        with pytest.raises(SystemExit) as left:
            make(path, "--giant", "64")
        assert left.value.code == 2 and "in the way" in capsys.readouterr().err and path.read_bytes() == before


@pytest.mark.parametrize("flags, said", [
    (["--bits", "16", "--float"], "leave out one of them"), (["--giant", "100"], "expected a multiple of that"),
    (["--giant", "80", "--size", "40"], "which is a multiple of 16"), (["--bands", "-1"], "--bands is -1"),
    (["--bits", "12"], "invalid choice")])
def test_flags_that_do_not_fit(tmp_path: Path, capsys, flags: list, said: str):
    with pytest.raises(SystemExit) as left:
        make(tmp_path / "set", *flags)
    assert left.value.code == 2 and said in capsys.readouterr().err
