"""test.py --output: one file, a folder, a glob, a stream; nothing but what was asked for."""
import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bothways
from helpers.clips import facts, write_clip
from helpers.commands import ROOT, load_command
from helpers.images import read_pixels, write_image
from helpers.lively import CYCLE, NOISY


@pytest.fixture
def output(trained, tmp_path):
    """Runs test.py with --output on the noisy run; returns what it wrote."""
    trained(NOISY)

    def run(dataroot: Path | str, place: str, more: str = "") -> list[str]:
        load_command("test").main(["--dataroot", str(dataroot), "--output", str(tmp_path / place), "--name", "run",
                                   "--gpu_ids", "-1", *more.split()])
        assert not (tmp_path / "results").exists()
        return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("out*/**/*")
                      if path.is_file() and path.parent.name != ".translated")  # the journal: test_translate_all.py
    return run


def expected(photo: Path, **options: object) -> np.ndarray:
    return np.asarray(bothways.load("checkpoints/run", device="cpu", **options)(photo))


@pytest.mark.parametrize("more", ["--output x.png", "--output x.png --seed 4 --preprocess none"])
def test_one_file(output, photo, tmp_path, capsys, more):
    flags = more.removeprefix("--output x.png")
    assert output(photo, "out/new/made.png", flags) == ["out/new/made.png"]
    options = {"seed": 4, "preprocess": "none"} if flags else {}
    np.testing.assert_array_equal(read_pixels(tmp_path / "out/new/made.png"), expected(photo, **options))
    assert f"output: {tmp_path / 'out/new/made.png'}" in capsys.readouterr().out


def test_in_a_notebook_standard_output_takes_words_alone(output, photo):
    with redirect_stdout(io.StringIO()) as words:
        assert output(photo, "out/made.png") == ["out/made.png"]
    assert "output: " in words.getvalue()


@pytest.mark.parametrize("place, name", [("out/made.jpg", "out/made.jpg"), ("out/made.tif", "out/made.tif"),
                                         ("out/", "out/photo.png"), ("out", "out/photo.png")])
def test_the_ending_says_the_format(output, photo, tmp_path, place, name):
    output(photo, place)
    made = read_pixels(tmp_path / name).astype(int)
    assert np.abs(made - expected(photo)).mean() < (4 if name.endswith("jpg") else 1e-9)


def test_a_folder_keeps_its_tree_and_names(output, tmp_path):
    for number, name in enumerate(["a.png", "sub/b.bmp", "sub/c.jpg", "same.png", "same.bmp", "old.pcx"]):
        write_image(tmp_path / "in" / name, seed=number)
    found = output(tmp_path / "in", "out")
    assert found == [f"out/{name}" for name in ["a.png", "old.png", "same.bmp", "same.png", "sub/b.bmp", "sub/c.jpg"]]
    for name, source in (("sub/b.bmp", "sub/b.bmp"), ("old.png", "old.pcx")):
        np.testing.assert_array_equal(read_pixels(tmp_path / "out" / name), expected(tmp_path / "in" / source))
    found = output(tmp_path / "in", "out2", "--format tiff --batch_size 2")
    assert [name for name in found if "out2" in name] == [
        f"out2/{name}" for name in ["a.tif", "old.tif", "same.bmp.tif", "same.png.tif", "sub/b.tif", "sub/c.tif"]]
    assert len([name for name in output(tmp_path / "in", "out3", "--num_test 2") if "out3" in name]) == 2


def test_a_glob(output, tmp_path):
    for name in ("a.png", "b.bmp", "sub/c.png"):
        write_image(tmp_path / "in" / name)
    assert output(tmp_path / "in" / "*.png", "out1") == ["out1/a.png"]
    found = output(tmp_path / "in" / "**" / "*.png", "out2")
    assert [name for name in found if "out2" in name] == ["out2/a.png", "out2/sub/c.png"]


def test_more_than_fifty_are_translated(output, tmp_path):
    for number in range(51):
        write_image(tmp_path / "in" / f"{number}.png", 8, 8)
    assert len(output(tmp_path / "in", "out", "--crop_size 8")) == 51


def stream(words: str, content: bytes) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, ROOT / "test.py", *words.split(), "--name", "run", "--gpu_ids", "-1"],
                          input=content, capture_output=True)


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
def test_standard_input_and_output(trained, photo, tmp_path):
    trained(NOISY)
    done = stream("--dataroot - --output -", photo.read_bytes())
    (tmp_path / "made.png").write_bytes(done.stdout)
    assert done.returncode == 0 and b"device: cpu" in done.stderr
    np.testing.assert_array_equal(read_pixels(tmp_path / "made.png"), expected(photo))
    read, write = os.pipe()
    os.close(read)  # nobody reads
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run([sys.executable, ROOT / "test.py", "--dataroot", photo, "--output", "-", "--name", "run",
                               "--gpu_ids", "-1"], stdout=pipe, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == b"error: whoever reads standard output ended before it was complete"
    done = stream("--dataroot - --output -", b"")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"error: there is nothing; expected the content" in done.stderr


def test_an_animated_picture_and_a_video(output, tmp_path):
    pytest.importorskip("av")
    frames = [Image.open(write_image(tmp_path / f"{number}.bmp", seed=number)) for number in range(3)]
    (tmp_path / "in").mkdir()
    frames[0].save(tmp_path / "in" / "a.gif", save_all=True, append_images=frames[1:], duration=70)
    assert output(tmp_path / "in", "out") == ["out/a.gif"]
    assert Image.open(tmp_path / "out" / "a.gif").n_frames == 3
    assert output(tmp_path / "in" / "a.gif", "out1", "--format png --page 2")[1:] == ["out1/a.p2.png"]
    clip = write_clip(tmp_path / "clip.mp4", [0, 1, 2])
    output(clip, "out/made.mp4")
    made = facts(tmp_path / "out" / "made.mp4")
    assert len(made.times) == 3 and made.sound == facts(clip).sound


def test_all_pages_in_one_file(output, tmp_path):
    pages = [Image.open(write_image(tmp_path / f"{number}.bmp", seed=number)) for number in range(3)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    output(tmp_path / "scan.tif", "out/made.tif", "--page all")
    with Image.open(tmp_path / "out" / "made.tif") as made:
        assert made.n_frames == 3
        for number in range(3):
            made.seek(number)
            np.testing.assert_array_equal(np.asarray(made), expected(tmp_path / f"{number}.bmp"))
    assert "out/second.png" in output(tmp_path / "scan.tif", "out/second.png", "--page 2")
    np.testing.assert_array_equal(read_pixels(tmp_path / "out" / "second.png"), expected(tmp_path / "1.bmp"))
    assert [name for name in output(tmp_path / "scan.tif", "out1", "--page all") if "out1" in name] == [
        f"out1/scan.p{number}.tif" for number in (1, 2, 3)]


def test_one_page_in_a_file_of_that_name(output, tmp_path):
    pages = [Image.open(write_image(tmp_path / f"{number}.bmp", seed=number)) for number in range(2)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    assert output(tmp_path / "scan.tif", "out/made.tif", "--page 2") == ["out/made.tif"]
    made = np.asarray(Image.open(tmp_path / "out" / "made.tif"))
    np.testing.assert_array_equal(made, expected(tmp_path / "1.bmp"))


@pytest.mark.parametrize("dtype, high", [(np.uint16, 4095), (np.float32, 1)])
def test_deep_pictures_stay_deep(output, tmp_path, dtype, high):
    values = (np.random.default_rng(0).random((32, 32, 3)) * high).astype(dtype)
    values[0, 0] = high
    np.save(tmp_path / "deep.npy", values)
    output(tmp_path / "deep.npy", "out/made.npy", "--value_range auto")
    made = np.load(tmp_path / "out" / "made.npy")
    assert made.dtype == dtype and made.shape == (32, 32, 3) and made.std() > 0.05 * high and made.max() <= high
    G = bothways.load("checkpoints/run", device="cpu", value_range="auto")
    np.testing.assert_array_equal(G(values), made)
    np.testing.assert_array_equal(G(tmp_path / "deep.npy"), made)


def test_videos_that_become_mp4_keep_apart_and_replace_no_input(output, tmp_path, failure):
    pytest.importorskip("av")
    write_clip(tmp_path / "in" / "a.mp4", [0, 1], sound="")
    write_clip(tmp_path / "in" / "a.avi", [0, 1, 2], sound="")
    assert output(tmp_path / "in" / "*", "out") == ["out/a.avi.mp4", "out/a.mp4"]
    assert len(facts(tmp_path / "out" / "a.avi.mp4").times) == 3
    (tmp_path / "in" / "sub").mkdir()
    other = (tmp_path / "in" / "a.mp4").rename(tmp_path / "in" / "sub" / "a.mp4")
    before = other.read_bytes()
    code, said = failure(lambda line: output(tmp_path / "in" / "**" / "*", "in/sub"), "")
    assert code == 2 and "sub/a.mp4 is an input itself, which is never replaced" in said
    assert other.read_bytes() == before


@pytest.mark.parametrize("dataroot, place, more, said", [
    ("photos/photo.png", "photos/photo.png", "", "is an input itself, which is never replaced"),
    ("photos", "photos", "", "is an input itself, which is never replaced"),
    ("photos", "one.png", "", "one.png is one file, and --dataroot"),
    ("nothing/*.png", "out", "", "names no image; expected an image or a video, a folder of images, a glob in quotes"),
    ("photos", "out", "--samples 2", "--samples belongs to a results page, and --output writes none"),
    ("photos", "out", "--save fake", "--save belongs to a results page, and --output writes none"),
    ("photos", "out", "--show_bands 1", "--show_bands belongs to a results page, and --output writes none"),
    ("photos", "out", "--model pix2pix", "--output translates by one generator, and --model pix2pix shows a page"),
    ("photos", "out/made.xyz", "", "out/made.xyz is one file"),
    ("photos/photo.png", "out/made.xyz", "", "no picture is written with this ending"),
])
def test_what_cannot_be_is_refused(output, photo, tmp_path, failure, dataroot, place, more, said):
    write_image(photo.with_name("other.png"))
    before = photo.read_bytes()
    code, found = failure(lambda line: output(tmp_path / dataroot, place, more), "")
    assert code == 2 and said in found
    assert photo.read_bytes() == before


def test_bad_images_are_refused_before_the_first_or_left_out(output, photo, tmp_path, failure, capsys):
    photo.with_name("bad.png").write_bytes(b"no image")
    code, said = failure(lambda line: output(photo.parent, "out"), "")
    assert code == 2 and "1 of 2 images are bad" in said and not (tmp_path / "out").exists()
    assert output(photo.parent, "out", "--skip_bad_images") == ["out/photo.png"]
    assert "1 bad images are left out" in capsys.readouterr().out


def test_both_directions_of_a_cyclegan(trained, photo, tmp_path):
    run = trained(CYCLE)
    for direction in ("AtoB", "BtoA"):
        load_command("test").main(["--dataroot", str(photo), "--output", str(tmp_path / f"{direction}.png"), "--name",
                                   "run", "--gpu_ids", "-1", "--direction", direction])
        made = bothways.load(run, direction=direction, device="cpu")(photo)
        np.testing.assert_array_equal(read_pixels(tmp_path / f"{direction}.png"), np.asarray(made))
    assert (read_pixels(tmp_path / "AtoB.png") != read_pixels(tmp_path / "BtoA.png")).any()
