"""test.py --tile: the pixels are those of whole pictures, in files with the input's type; killed, it goes on."""
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from filelock import FileLock
from PIL import Image

import bothways
import tiles.exact
from helpers.commands import ROOT, load_command
from helpers.images import read_pixels, write_image
from raster.picture import Origin, Picture
from raster.reading import read_picture
from raster.writing import write_picture
from util.errors import UserError

LIVELY = "--init_type xavier --init_gain 1"  # untrained networks then answer with more than gray
GEO = {33550: (10.0, 10.0, 0.0), 33922: (0.0, 0.0, 0.0, 500000.0, 4600000.0, 0.0)}


@pytest.fixture
def giants(tmp_path: Path) -> Path:
    """A folder with an 8-bit picture of odd size and, deep, of two others."""
    folder = tmp_path / "giants"
    write_image(folder / "a.png", 149, 93, seed=3)
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 93 * 130 * 3).reshape(93, 130, 3) * 0.7 + rng.random((93, 130, 3)) * 0.3
    write_picture(folder / "b.tif", Picture((ramp * 3900).astype(np.uint16), Origin("TIFF", (300, 300), GEO)))
    holes = (ramp * 40 - 7).astype(np.float32)
    holes[20:40, 10:60] = -9999
    write_picture(folder / "c.tif", Picture(holes, Origin("TIFF", None, GEO), -9999.0))
    return folder


@pytest.fixture
def tile(trained, tmp_path: Path):
    """Runs test.py on a folder with the run of a CycleGAN; returns the results folder."""
    trained(f"--model cycle_gan {LIVELY}")
    command = load_command("test")

    def run(dataroot: Path, line: str) -> Path:
        command.main(f"--dataroot {dataroot} --name run --model test --num_threads 0 --gpu_ids -1 {line}".split())
        return tmp_path / "results" / "run" / "test_latest"
    return run


def test_tiles_give_the_pixels_of_the_whole_in_the_type_of_the_input(tile, giants: Path, tmp_path: Path):
    whole = tile(giants, f"--preprocess none --format tiff --results_dir {tmp_path}/whole").parents[1]
    whole = tmp_path / "whole" / "run" / "test_latest"
    folder = tile(giants, "--tile 32")
    for name, dtype, apart in (("a", "uint8", 1), ("b", "uint16", 1), ("c", "float32", 2e-3)):
        ours = read_picture(folder / "values" / f"{name}_fake.tif")
        expected = read_picture(whole / "values" / f"{name}_fake.tif")
        assert ours.values.dtype == dtype and ours.no_data == expected.no_data
        np.testing.assert_allclose(ours.values.astype(float), expected.values.astype(float), atol=apart)
        assert ours.values.std() > 0.03 * np.ptp(ours.values)
        if name != "a":
            assert dict(ours.origin.tags) == GEO
    assert (ours.void() == read_picture(giants / "c.tif").void()).all()
    assert sorted(path.name for path in (folder / "values").iterdir()) == ["a_fake.tif", "b_fake.tif", "c_fake.tif"]
    np.testing.assert_allclose(read_pixels(folder / "images" / "a_fake.png").astype(int),
                               read_picture(whole / "values" / "a_fake.tif").values.astype(int), atol=1)
    names = json.loads((folder / "names.json").read_text())
    assert (names["labels"], names["titles"]) == (["real", "fake"], ["a", "b", "c"])
    assert 'href="values/c_fake.tif"' in (folder / "index.html").read_text()


def test_the_page_shows_reduced_views_and_says_so(tile, giants: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("door.reduced.MOST", 50)
    folder = tile(giants, "--tile auto --num_test 1")
    view = read_pixels(folder / "images" / "a_real.png")
    assert view.shape == (31, 49, 3)
    cells = read_pixels(giants / "a.png")[:93, :147].reshape(31, 3, 49, 3, 3).mean((1, 3))
    np.testing.assert_allclose(view, cells, atol=1)
    assert read_picture(folder / "values" / "a_fake.tif").values.shape == (93, 149, 3)
    assert json.loads((folder / "names.json").read_text())["titles"] == ["a · 149x93 pixels, shown reduced to 49x31"]


def test_files_may_have_more_pixels_than_are_read_whole(tile, giants: Path):
    folder = tile(giants / "b.tif", "--tile 32 --max_pixels 100 --output out.tif")
    assert read_picture(Path("out.tif")).values.shape == (93, 130, 3)
    assert not folder.exists()


def test_a_range_that_is_given_is_that_of_the_results(tile, giants: Path):
    for line in ("--tile 32 --output tiled.npy", "--preprocess none --output whole.npy"):
        tile(giants / "a.png", f"{line} --value_range 0,300")
    tiled, whole = np.load("tiled.npy"), np.load("whole.npy")
    assert tiled.dtype == whole.dtype == np.float32 and whole.max() > 255  # which 8 bits do not hold
    np.testing.assert_allclose(tiled, whole, atol=0.02)


def test_a_folder_becomes_a_folder_of_files_that_are_written_in_parts(tile, giants: Path):
    Image.open(giants / "a.png").save(giants / "a.bmp")
    with tifffile.TiffWriter(giants / "d.tif") as file:
        for page in range(2):
            file.write(np.full((40, 36, 3), 70 * page, np.uint8), contiguous=False, metadata=None, photometric="rgb")
    tile(giants, "--tile 32 --output out --page all")
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "a.bmp.tif", "a.png.tif", "b.tif", "c.tif", "d.p1.tif", "d.p2.tif"]
    assert read_picture(Path("out/d.p2.tif")).values.shape == (40, 36, 3)


def test_the_python_door_gives_the_same_file(tile, giants: Path, tmp_path: Path):
    tile(giants / "b.tif", "--tile 32 --output out.tif")
    told = []
    translator = bothways.load(tmp_path / "checkpoints" / "run", device="cpu")
    notices = translator.translate_file(giants / "b.tif", "ours.tif", tile=32, progress=lambda *done: told.append(done))
    assert Path("ours.tif").read_bytes() == Path("out.tif").read_bytes()
    assert told[-1][0] == told[-1][1] > 0 and "0 to 4095 are black to white" in notices[0]
    with pytest.raises(UserError, match="tile_norm"):
        translator.translate_file(giants / "b.tif", "ours.tif", tile=32, tile_norm="exactly")
    with pytest.raises(UserError, match="is an input itself"):
        translator.translate_file(giants / "b.tif", giants / "b.tif", tile="auto")


def test_a_dry_run_prints_the_plan_and_does_nothing(tile, giants: Path, capsys: pytest.CaptureFixture):
    capsys.readouterr()
    folder = tile(giants, "--tile 32 --num_test 1 --dry_run")
    said = capsys.readouterr().out
    assert "a.png: 149x93 pixels, 3 channels of uint8" in said
    assert "152x96 pixels in 15 tiles of 32x32, statistics of norms: exact" in said
    assert "times those of one pass" in said and "scratch files" in said and "seconds, as one tile takes here" in said
    assert not folder.exists()


@pytest.mark.parametrize("norm", ["thumbnail", "local"])
def test_estimated_statistics_take_one_pass_and_are_near(tile, giants: Path, norm: str,
                                                         monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tiles.plan.THUMBNAIL", 64)
    exact = read_picture(tile(giants, "--tile 64 --num_test 1") / "values" / "a_fake.tif").values.astype(float)
    folder = tile(giants, f"--tile 64 --tile_norm {norm} --num_test 1 --overwrite")
    apart = np.abs(read_picture(folder / "values" / "a_fake.tif").values.astype(float) - exact)
    assert 0.1 < apart.mean() < 60


@pytest.mark.parametrize("line, said", [
    ("--tile 30", "--tile 30 is no side of a tile; expected auto, or a multiple of 4 pixels, such as --tile 512"),
    ("--tile many", "expected auto"),
    ("--tile 32 --samples 2", "--samples needs whole pictures"),
    ("--tile 32 --aspect_ratio 2", "--aspect_ratio needs whole pictures"),
    ("--tile 32 --output -", "- is a stream; give files"),
    ("--dry_run", "--dry_run is about a translation in tiles; add --tile auto"),
    ("--tile_norm local", "--tile_norm is about a translation in tiles; add --tile auto"),
    ("--tile 32 --dataset_mode aligned", "--tile translates files that are pictures of one side"),
])
def test_what_tiles_cannot_do_is_refused(tile, giants: Path, failure, line: str, said: str):
    code, error = failure(lambda line: tile(giants, line), line)
    assert code == 2 and said in error


def test_too_little_disk_is_told_with_numbers(tile, giants: Path, failure, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.statvfs_result and type("Usage", (), {"free": 10_000}))
    code, error = failure(lambda line: tile(giants, line), "--tile 32 --num_test 1")
    assert code == 1 and "where 0.01 MB are free: 0.0416 MB for itself" in error


def test_what_the_ending_cannot_hold_is_said_before_the_work(tile, giants: Path, failure):
    for name, said in (("out.png", "png does not hold float32 values"), ("out.xyz", "written with this ending")):
        code, error = failure(lambda line: tile(giants / "c.tif", line), f"--tile 32 --output {name} --dry_run")
        assert code == 2 and said in error


def test_an_input_is_never_replaced(tile, giants: Path, failure):
    (giants / "sub").mkdir()
    before = (giants / "c.tif").rename(giants / "sub" / "a.tif").read_bytes()
    code, error = failure(lambda line: tile(giants, f"--tile 32 --output {giants}/sub"), "")
    assert code == 2 and "sub/a.tif is an input itself, which is never replaced" in error
    assert (giants / "sub" / "a.tif").read_bytes() == before


def test_only_one_process_writes_a_target(tile, giants: Path, failure):
    with FileLock(".out.tif.lock"):
        code, error = failure(lambda line: tile(giants / "b.tif", "--tile 32 --output out.tif"), "")
    assert code == 2 and "out.tif is being written by another process or thread; wait for it" in error
    assert not Path("out.tif").exists() and not Path(".out.tif.part").exists()


@pytest.mark.parametrize("reason, code, said", [
    (KeyboardInterrupt(), 130, "interrupted: out.tif is not complete; the same again goes on with it"),
    (OSError(28, "disk is full"), 1, "error: out.tif is not complete: [Errno 28] disk is full\n"
                                     "What was done is kept: mend that, and the same again goes on with it")])
def test_what_stops_it_is_said_with_how_to_go_on(tile, giants: Path, failure, monkeypatch: pytest.MonkeyPatch,
                                                 reason: BaseException, code: int, said: str):
    def stopped(*tile: object) -> None:
        raise reason
    with monkeypatch.context() as patch:
        patch.setattr(tiles.exact, "compute_tile", stopped)
        ended, error = failure(lambda line: tile(giants / "b.tif", "--tile 32 --output out.tif"), "")
    assert ended == code and error.splitlines()[-len(said.splitlines()):] == said.splitlines()
    Path(".out.tif.part").write_bytes(Path(".out.tif.part").read_bytes()[:-5000])  # damaged: it begins anew
    tile(giants / "b.tif", "--tile 32 --output out.tif")
    assert read_picture(Path("out.tif")).values.shape == (93, 130, 3)
    assert not [path.name for path in Path().iterdir() if path.name.startswith(".out")]


def test_the_page_that_is_asked_for_is_translated_in_python_too(tile, giants: Path, tmp_path: Path):
    with tifffile.TiffWriter(giants / "d.tif") as file:
        for page in range(2):
            file.write(np.random.default_rng(page).integers(0, 256, (40, 36, 3), np.uint8), contiguous=False,
                       metadata=None, photometric="rgb")
    tile(giants / "d.tif", "--tile 32 --page 2 --output out.tif")
    G = bothways.load(tmp_path / "checkpoints" / "run", device="cpu", page=2)
    G.translate_file(giants / "d.tif", "ours.tif", tile=32)
    assert Path("ours.tif").read_bytes() == Path("out.tif").read_bytes()
    G = bothways.load(tmp_path / "checkpoints" / "run", device="cpu", page="all")
    with pytest.raises(UserError, match="ours.tif is one file, and .*/d.tif has 2 pages; give a folder, or the page's"):
        G.translate_file(giants / "d.tif", "ours.tif", tile=32)


KILLED = """
import os, signal, sys
import tiles.exact
import tiles.standing
sys.path.insert(0, "tests")
from helpers.commands import load_command
computed, compute = [], tiles.exact.compute_tile
def counting(*tile):
    computed.append(tile)
    if len(computed) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    compute(*tile)
tiles.exact.compute_tile, tiles.standing.SAVED_EVERY = counting, 0
load_command("test").main(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.usefixtures("forks")
def test_killed_it_goes_on_where_it_stood(tile, giants: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture):
    computed, compute = [], tiles.exact.compute_tile
    monkeypatch.setattr(tiles.exact, "compute_tile", lambda *tile: (computed.append(tile), compute(*tile)))
    undisturbed = tile(giants, f"--tile 32 --num_test 2 --results_dir {tmp_path}/undisturbed")
    expected = {path.name: path.read_bytes()
                for path in (tmp_path / "undisturbed/run/test_latest/values").iterdir()}
    every, of_a = len(computed), 0
    line = f"--dataroot {giants} --name run --model test --gpu_ids -1 --tile 32 --num_test 2"
    of_a = sum(made[2] == computed[0][2] for made in computed)  # the tiles of the first picture, by its size
    killed_at = of_a + (every - of_a) // 2
    done = subprocess.run([sys.executable, "-c", KILLED, str(killed_at), *line.split(),
                           "--checkpoints_dir", tmp_path / "checkpoints", "--results_dir", tmp_path / "results"],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    values = tmp_path / "results/run/test_latest/values"
    assert (values / "a_fake.tif").exists() and not (values / "b_fake.tif").exists()
    assert (values / ".b_fake.tif.part").exists()
    computed.clear()
    capsys.readouterr()
    tile(giants, "--tile 32 --num_test 2")
    assert len(computed) == every - killed_at + 1
    assert "a_fake.tif is complete already" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in values.iterdir()} == expected
    assert undisturbed == tmp_path / "results/run/test_latest"


def test_begun_with_other_options_it_begins_anew(tile, giants: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*tile: object) -> None:
        raise KeyboardInterrupt
    compute = tiles.exact.compute_tile
    monkeypatch.setattr(tiles.exact, "compute_tile", interrupted)
    with pytest.raises(SystemExit):
        tile(giants, "--tile 32 --num_test 1")
    folder = tmp_path / "results/run/test_latest/values"
    assert {path.name for path in folder.iterdir()} == {".a_fake.tif.part", ".a_fake.tif.scratch"}
    monkeypatch.setattr(tiles.exact, "compute_tile", compute)
    write_image(giants / "a.png", 149, 93, seed=4)
    tile(giants, "--tile 64 --num_test 1 --results_dir fresh")
    tile(giants, "--tile 64 --num_test 1")
    assert [path.name for path in folder.iterdir()] == ["a_fake.tif"]
    np.testing.assert_array_equal(tifffile.imread(folder / "a_fake.tif"),
                                  tifffile.imread("fresh/run/test_latest/values/a_fake.tif"))


BOUNDED = """
import re, sys
from pathlib import Path
import torch
from torch import nn
from door.giant import Giant, Way
from raster.value_range import BYTES
torch.manual_seed(0)
net = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.ReLU(True),
                    nn.ReflectionPad2d(1), nn.Conv2d(4, 3, 3), nn.Tanh())
def peak():  # getrusage would count what the parent had, too
    return int(re.findall(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[0])
before = peak()
giant = Giant(net, Path(sys.argv[1]), Path(sys.argv[2]), BYTES, BYTES, Way(256, "exact", 4, 1, (3, 3), 0, 1))
giant.translate(lambda done, total: None)
print((peak() - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="NOT TESTED: this system does not tell the peak")
def test_memory_does_not_grow_with_the_picture(tmp_path: Path):
    row = np.random.default_rng(0).integers(0, 256, (1, 4096, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", np.roll(np.repeat(row, 4096, 0), 7, 1), photometric="rgb", tile=(256, 256),
                     compression="zlib", compressionargs={"level": 1})
    done = subprocess.run([sys.executable, "-c", BOUNDED, tmp_path / "a.tif", tmp_path / "out.tif"], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert int(done.stdout) < 250  # MB; the picture alone takes 200 in float32, and each of the net's images 268
    with Image.open(tmp_path / "out.tif") as image:
        assert image.size == (4096, 4096)
