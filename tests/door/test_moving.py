"""Videos and animated pictures, frame by frame."""
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

import bothways
from helpers.clips import facts, write_clip
from helpers.images import read_pixels, write_image
from helpers.lively import CYCLE


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_a_video_keeps_its_times_its_size_and_its_sound(load, tmp_path, ending):
    pytest.importorskip("av")
    clip = write_clip(tmp_path / "clip.mp4", [0, 1, 2, 3, 6, 7, 8])
    done = []
    G = load(CYCLE, preprocess="none")
    target = tmp_path / "out" / f"made.{ending}"
    assert G.translate_file(clip, target, batch_size=2, progress=lambda *now: done.append(now)) == []
    before, after = facts(clip), facts(target)
    shift = after.times[0] - before.times[0]  # a container without negative times begins later, all of it
    assert [time - shift for time in after.times] == before.times == [Fraction(n, 10) for n in (0, 1, 2, 3, 6, 7, 8)]
    assert after.size == before.size == (48, 32)
    assert [packet for packet, _ in after.sound] == [packet for packet, _ in before.sound] and len(before.sound) > 30
    for (_, time), (_, was) in zip(after.sound, before.sound, strict=True):
        assert abs(time - shift - was) < Fraction(1, 900)
    assert [now for now, _ in done] == [1, 2, 3, 4, 5, 6, 7] and done[-1] == (7, 7)
    expected = np.asarray(G(before.frames[5])).astype(int)
    assert np.abs(after.frames[5].mean((0, 1)) - expected.mean((0, 1))).max() < 6  # of half as many colours


def test_sound_that_does_not_fit_is_left_out_and_said(load, tmp_path):
    pytest.importorskip("av")
    clip = write_clip(tmp_path / "clip.mp4", [0, 1])
    (said,) = load(CYCLE).translate_file(clip, tmp_path / "made.webm")
    assert said == "note: the sound is left out: a webm file cannot hold aac"
    made = facts(tmp_path / "made.webm")
    assert not made.sound and made.size == (32, 32) and len(made.times) == 2


def test_frames_of_odd_size(load, tmp_path):
    pytest.importorskip("av")
    clip = write_clip(tmp_path / "clip.mp4", [0, 1], sound="")
    load(CYCLE, preprocess="scale_width", load_size=36, crop_size=25).translate_file(clip, tmp_path / "made.mp4")
    assert facts(tmp_path / "made.mp4").size == (36, 24)
    load(CYCLE, preprocess="none").translate_file(write_image(tmp_path / "odd.gif", 33, 31), tmp_path / "odd.mp4")
    assert facts(tmp_path / "odd.mp4").size == (33, 31)


def test_what_is_no_video_is_said(load, tmp_path, monkeypatch):
    G, bad = load(CYCLE), tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    if "av" in sys.modules or pytest.importorskip("av"):
        with pytest.raises(bothways.UserError, match="bad.mp4 cannot be translated into .*/made.mp4: Invalid data"):
            G.translate_file(bad, tmp_path / "made.mp4")
        with pytest.raises(bothways.UserError, match="bad.mp4 is a video, which .*/made.png cannot hold; expected"):
            G.translate_file(bad, tmp_path / "made.png")
    assert [path.name for path in tmp_path.iterdir() if "made" in path.name or path.suffix == ".tmp"] == []
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(bothways.UserError, match="videos need PyAV: pip install .\\[video\\]"):
        G.translate_file(bad, tmp_path / "made.mp4")


def test_a_video_may_be_called_like_the_time_of_day(load, tmp_path, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", [0, 1], sound="").rename("10:30 100%ü.mp4")
    load(CYCLE).translate_file("10:30 100%ü.mp4", "11:30 %d.mp4")
    assert len(facts(tmp_path / "11:30 %d.mp4").times) == 2


@pytest.mark.parametrize("source, target", [("gif", "gif"), ("gif", "webp"), ("webp", "png"), ("png", "gif")])
def test_an_animated_picture_keeps_its_durations(load, tmp_path, source, target):
    frames = [Image.open(write_image(tmp_path / f"{number}.bmp", 40, 36, seed=number)) for number in range(3)]
    lossless = {"lossless": True} if source == "webp" else {}
    frames[0].save(tmp_path / f"a.{source}", save_all=True, append_images=frames[1:], duration=[100, 250, 40], loop=3,
                   **lossless)
    G = load(CYCLE, preprocess="none")
    G.translate_file(tmp_path / f"a.{source}", tmp_path / f"made.{target}", batch_size=2)
    with Image.open(tmp_path / f"a.{source}") as before, Image.open(tmp_path / f"made.{target}") as made:
        assert made.n_frames == 3 and made.size == (40, 36) and made.info["loop"] == 3
        for number, duration in enumerate([100, 250, 40]):
            before.seek(number)
            made.seek(number)
            made.load()
            assert made.info["duration"] == duration
            expected = np.asarray(G(before.convert("RGB"))).astype(int)
            if target != "gif":  # which has 256 colours a frame
                np.testing.assert_array_equal(np.asarray(made.convert("RGB")), expected)
            assert np.abs(np.asarray(made.convert("RGB")) - expected).mean() < 12


def test_of_an_animated_picture_a_still_one_is_its_first_frame(load, tmp_path):
    frames = [Image.open(write_image(tmp_path / f"{number}.bmp", seed=number)) for number in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    G = load(CYCLE)
    (said,) = G.translate_file(tmp_path / "a.png", tmp_path / "made.bmp")
    assert "have several pages or frames" in said
    np.testing.assert_array_equal(read_pixels(tmp_path / "made.bmp"), np.asarray(G(frames[0])))
