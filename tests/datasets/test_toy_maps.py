"""The built-in toy set: what is drawn, which files are written, and whose files are left alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metrics.palette import read_palette

pytestmark = pytest.mark.slow

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
SCRIPT = DATASETS / "toy_maps.py"

sys.path.insert(0, str(DATASETS))  # as for a script that is run from there
import toy_maps
import toy_pictures
import toy_town


def run(out, *flags):
    small = ["--size", "32", "--n_train", "5", "--n_test", "2"]
    return subprocess.run([sys.executable, SCRIPT, "--out", out, *small, *flags], capture_output=True, text=True)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("toy") / "set"
    result = run(out)
    assert result.returncode == 0, result.stderr
    return out


@pytest.fixture(scope="module")
def towns():
    """Photos, maps and classes of 40 towns at size 64, images scaled to [-1, 1]."""
    drawn = [toy_pictures.draw_town(0, "train", number, 64) for number in range(1, 41)]
    photos, maps, classes = (np.stack([np.asarray(picture, float) for picture in kind])
                             for kind in zip(*drawn, strict=True))
    return photos / 127.5 - 1, maps / 127.5 - 1, classes.astype(int)


def test_the_layouts(made):
    pairs = {f"train/{k:04d}.png" for k in range(1, 6)} | {"test/0001.png", "test/0002.png"}
    odd = {"trainA/0001.png", "trainA/0003.png", "trainA/0005.png", "testA/0001.png"}
    even = {"trainB/0002.png", "trainB/0004.png", "testB/0002.png"}
    assert set(contents(made)) == pairs | {f"classes/{name}" for name in pairs} | odd | even | {
        "palette.txt", "toy_maps.json"}


def test_a_pair_is_photo_then_map_and_the_unaligned_sets_hold_its_halves(made):
    first, second = (np.asarray(Image.open(made / f"train/000{k}.png")) for k in (1, 2))
    assert first.shape == (32, 64, 3)
    assert np.array_equal(np.asarray(Image.open(made / "trainA/0001.png")), first[:, :32])
    assert np.array_equal(np.asarray(Image.open(made / "trainB/0002.png")), second[:, 32:])
    assert first[:, :32].mean() < 130 < 170 < first[:, 32:].mean()  # dark photo, light map


def test_the_class_picture_is_a_palette_with_the_legend_of_the_settings(made):
    settings = json.loads((made / "toy_maps.json").read_text())
    classes = Image.open(made / "classes/train/0001.png")
    assert classes.mode == "P" and classes.size == (32, 32)
    assert settings["classes"] == ["field", "park", "water", "road", "main_road", "building"]
    assert np.reshape(classes.getpalette()[:18], (6, 3)).tolist() == settings["class_colours"]
    assert (settings["size"], settings["n_train"], settings["n_test"], settings["seed"]) == (32, 5, 2, 0)


def test_the_palette_is_one_that_the_measuring_reads(made):
    palette = read_palette(made / "palette.txt")
    assert list(palette.names) == list(toy_town.CLASSES)
    assert (palette.colours * 255).round().int().tolist() == [list(rgb) for rgb in toy_pictures.MAP_COLOURS]


def test_a_folder_of_the_version_before_gets_its_palette_unless_there_is_one_of_the_users(made, tmp_path):
    out = shutil.copytree(made, tmp_path / "set")
    settings = json.loads((out / "toy_maps.json").read_text())
    (out / "toy_maps.json").write_text(json.dumps({**settings, "version": 2}))
    (out / "palette.txt").write_text("mine")
    result = run(out)
    assert result.returncode == 2 and "palette.txt is in the way" in result.stderr
    assert (out / "palette.txt").read_text() == "mine"
    (out / "palette.txt").unlink()
    assert run(out).returncode == 0
    assert contents(out) == contents(made)


def test_same_seed_same_bytes_whatever_the_counts(made, tmp_path):
    assert run(tmp_path / "more", "--n_train", "7", "--n_test", "3").returncode == 0
    again = contents(tmp_path / "more")
    assert all(again[name] == data for name, data in contents(made).items() if name.endswith(".png"))


def test_another_seed_and_the_other_split_are_other_towns():
    sources = (0, "train"), (1, "train"), (0, "test")
    maps = [np.asarray(toy_pictures.draw_town(seed, split, 1, 32)[1], float) for seed, split in sources]
    assert min(abs(maps[i] - maps[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))) > 10


def test_the_map_is_the_flat_colour_of_each_class_but_for_smooth_edges(towns):
    _, maps, classes = towns
    flat = np.array(toy_pictures.MAP_COLOURS)[classes] / 127.5 - 1
    error = abs(maps - flat).max(axis=-1)
    assert (error < 1e-6).mean() > 0.7
    assert error.mean() < 0.08


def test_every_class_has_its_share_and_its_colour_in_the_photo(towns):
    photos, _, classes = towns
    shares = np.bincount(classes.ravel(), minlength=6) / classes.size
    assert shares.min() > 0.07 and shares.max() < 0.40
    field, park, water, road, main_road, building = ((photos[classes == k].mean(axis=0) + 1) * 127.5 for k in range(6))
    assert field[0] > field[1] > field[2] + 30  # straw
    assert park[1] > max(park[0], park[2]) + 20  # green
    assert water[2] > water[1] > water[0] and water.max() < 100  # dark blue
    assert np.ptp(road) < 15 and np.ptp(main_road) < 30 and road.mean() > main_road.mean() + 15  # greys
    assert building[0] > max(building[1], building[2]) + 40  # red roofs


def test_neither_the_mean_image_nor_a_copy_is_a_good_answer(towns):
    photos, maps, _ = towns
    assert abs(photos - photos.mean(axis=0)).mean() > 0.2
    assert abs(maps - maps.mean(axis=0)).mean() > 0.25
    assert abs(photos - maps).mean() > 0.5


def test_the_plan_says_most_of_the_photo():
    """Photos of one town that differ in all that the map does not tell: mean distance to their median in [-1, 1]."""
    town = toy_town.plan_town(np.random.default_rng(5), 64)
    drawn = [toy_pictures.draw_photo(town, np.random.default_rng(k)) for k in range(8)]
    photos = np.stack([np.asarray(photo, float) for photo in drawn]) / 127.5
    assert 0.01 < abs(photos - np.median(photos, axis=0)).mean() < 0.08


@pytest.mark.parametrize("size", [32, 64, 256])
def test_streets_stay_wide_enough_to_see(size):
    town = toy_town.plan_town(np.random.default_rng(3), size)
    pixels_a_metre = town.warp.scale / toy_town.OVERSAMPLE
    assert toy_town.WIDTH[toy_town.ROAD] * pixels_a_metre >= 2.4
    assert toy_town.WIDTH[toy_town.MAIN_ROAD] * pixels_a_metre >= 3.5
    assert len(town.buildings) >= 5


def test_a_lake_keeps_its_distance_from_main_roads():
    town = toy_town.plan_town(np.random.default_rng(3), 64)
    across = np.linspace((-200, 30), (200, 30), 401)  # 30 pixels from the middle of a round lake
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    town.roads = [(across, toy_town.MAIN_ROAD), (across - (0, 20), toy_town.ROAD)]
    room = toy_town.room(town, 40 * np.stack((np.cos(turn), np.sin(turn)), 1), np.zeros(2), gap=10)
    assert room == pytest.approx((30 - 10) / 40)


def test_a_second_run_finds_the_set_already_there(made):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.png")}
    result = run(made)
    assert result.returncode == 0 and "already there" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*.png")} == before


def test_a_missing_file_is_drawn_again(tmp_path):
    run(tmp_path / "set")
    whole = contents(tmp_path / "set")
    (tmp_path / "set/train/0002.png").unlink()
    result = run(tmp_path / "set")
    assert result.returncode == 0 and "written" in result.stdout
    assert contents(tmp_path / "set") == whole


def test_other_settings_replace_our_files_and_keep_the_users(tmp_path):
    out = tmp_path / "set"
    run(out)
    (out / "train/notes.txt").write_text("mine")
    result = run(out, "--n_train", "3", "--size", "40")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (out / "train").iterdir()) == ["0001.png", "0002.png", "0003.png", "notes.txt"]
    assert sorted(path.name for path in (out / "trainB").iterdir()) == ["0002.png"]
    assert Image.open(out / "train/0001.png").size == (80, 40)
    assert (out / "train/notes.txt").read_text() == "mine"


def test_a_users_picture_in_the_way_is_not_overwritten(tmp_path):
    out = tmp_path / "set"
    run(out)
    (out / "train/0006.png").write_bytes(b"mine")
    before = contents(out)
    result = run(out, "--n_train", "6")
    assert result.returncode == 2 and "0006.png" in result.stderr and "--out" in result.stderr
    assert contents(out) == before


@pytest.mark.parametrize("settings", [None, "not json", "[]", '{"n_train": 5, "n_test": 2}'])
def test_a_folder_of_someone_else_is_refused_untouched(tmp_path, settings):
    (tmp_path / "photo.png").write_bytes(b"mine")
    if settings is not None:
        (tmp_path / "toy_maps.json").write_text(settings)
    before = contents(tmp_path)
    result = run(tmp_path)
    assert result.returncode == 2 and "--out" in result.stderr and "Traceback" not in result.stderr
    assert contents(tmp_path) == before


def test_an_interrupted_run_is_taken_up(tmp_path, monkeypatch):
    flags = ["--out", str(tmp_path / "set"), "--size", "32", "--n_train", "2", "--n_test", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(toy_maps, "write_town", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        assert toy_maps.main(flags) == 1
    assert toy_maps.main(flags) == 0
    assert json.loads((tmp_path / "set/toy_maps.json").read_text())["complete"] is True


@pytest.mark.parametrize("flag, value", [("--size", "31"), ("--n_train", "1"), ("--n_test", "0"), ("--seed", "-1")])
def test_bad_values_name_the_flag_and_what_was_expected(tmp_path, flag, value):
    result = run(tmp_path / "set", flag, value)
    assert result.returncode == 2 and f"{flag} is {value}" in result.stderr and "or more" in result.stderr
    assert not (tmp_path / "set").exists()
