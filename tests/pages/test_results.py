"""The results of a test: pictures written in threads, nothing left of an earlier test, rows that name both files."""
import json
import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.images import read_pixels, write_image
from helpers.trainings import exit_code, in_child
from pages import picture_writer
from pages.bands import read_bands
from pages.picture_writer import PictureWriter
from pages.pictures import first_pictures, pictures, save_picture
from util.errors import UserError


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder / "images").as_posix() for path in (folder / "images").rglob("*.png")}


def titles(folder: Path) -> list[str]:
    return [part.split("</h2>")[0] for part in (folder / "index.html").read_text().split("<h2>")[1:]]


def test_a_batch_becomes_pictures_by_sample():
    gray = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 4, 4)
    color = torch.linspace(-1.2, 1.2, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    first, second = pictures({"gray": gray, "color": color})
    assert (first["gray"] == np.zeros((4, 4, 3), np.uint8)).all() and (second["gray"] == 255).all()
    expected = ((color[1].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(second["color"], expected)


@pytest.mark.parametrize("channels, bands, shown", [
    (2, (), [0, 0, 0]), (2, (2,), [1, 1, 1]), (4, (), [0, 1, 2]), (13, (4, 3, 2), [3, 2, 1]), (13, (13,), [12, 12, 12]),
    (4, (13, 1, 2), [0, 1, 2]), (3, (3, 2, 1), [0, 1, 2]), (1, (4, 3, 2), [0, 0, 0]), (5, (2, 2, 5), [1, 1, 4]),
])
def test_of_many_bands_one_or_three_are_shown(channels, bands, shown):
    levels = torch.arange(channels).float()[None, :, None, None].expand(1, channels, 2, 3) / 127.5 - 1
    (one,) = pictures({"x": levels}, bands)
    assert one["x"].shape == (2, 3, 3) and one["x"][1, 2].tolist() == shown


@pytest.mark.parametrize("text, channels, said", [
    ("4,3", (13, 3), "--show_bands 4,3 names no bands; expected one, shown as gray, or three"),
    ("red", (13, 3), "--show_bands red names no bands"), ("0,1,2", (13, 3), "--show_bands 0,1,2 names no bands"),
    ("14", (13, 3), "--show_bands 14: the pictures have at most 13 bands"),
    ("1", (1, 3), "--show_bands 1: the pictures are all gray or RGB"),
])
def test_bands_that_are_not_there_are_refused(text, channels, said):
    with pytest.raises(UserError, match=f"^{said}"):
        read_bands(text, channels)
    assert read_bands("4,3,2", (13, 3)) == (4, 3, 2) and read_bands("", channels) == ()


def test_the_first_sample_of_a_batch_is_the_one_that_is_shown():
    batch = {label: torch.stack([torch.full((3, 4, 4), value) for value in values])
             for label, values in (("a", (-1.0, 1.0)), ("b", (1.0, -1.0)))}
    assert {label: picture.max() for label, picture in first_pictures(batch).items()} == {"a": 0, "b": 255}


def test_pictures_are_on_disk_when_the_writer_is_left_and_few_ever_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_writer, "MOST_WAITING", 3)
    with PictureWriter() as writer:
        for seed in range(20):
            writer.save(tmp_path / "threads" / f"{seed}.png", noise(seed), 2.0)
            assert len(writer._waiting) <= 3
    for seed in range(20):
        save_picture(tmp_path / "plain.png", noise(seed), 2.0)
        assert (tmp_path / "threads" / f"{seed}.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_a_picture_that_cannot_be_written_ends_the_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_writer, "MOST_WAITING", 1)
    (tmp_path / "file").write_text("no folder")
    saved = []
    with pytest.raises(OSError), PictureWriter() as writer:
        for number in range(10):
            writer.save(tmp_path / "file" / f"{number}.png", noise(0))
            saved.append(number)
    assert saved == [0]
    with pytest.raises(OSError), PictureWriter() as writer:  # the last picture of a test is no exception
        writer.save(tmp_path / "file" / "last.png", noise(0))


def test_a_full_disk_ends_the_test_with_its_reason(trained, translate, tmp_path):
    trained("--model template")
    said = tmp_path / "said"

    def run():
        with open(said, "w", buffering=1) as sys.stderr:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
            translate("--model template")
    assert exit_code(in_child(run)) == 1
    assert "error: [Errno 27] File too large" in said.read_text() and "Traceback" not in said.read_text()
    assert not list((tmp_path / "results").rglob(".*.tmp"))


def test_pictures_of_an_earlier_test_are_removed_and_nothing_else(trained, translate, tmp_path):
    trained("--model cycle_gan")
    folder = translate("--model cycle_gan")
    (folder / "images" / "mine.png").write_text("not from a test")
    shown = json.loads((folder / "names.json").read_text())
    outside = tmp_path / "outside_fake_A.png"
    outside.write_text("not a result")
    shown["names"] += ["../../../../outside", str(tmp_path / "outside")]
    (folder / "names.json").write_text(json.dumps(shown))
    translate("--model cycle_gan --num_test 2")
    labels = ("real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B")
    assert files(folder) == {f"{stem}_{label}.png" for stem in "12" for label in labels} | {"mine.png"}
    assert outside.exists()


@pytest.mark.parametrize("flag, said", [
    ("--dataroot {root}/other", "--dataroot {root}/dataset (now {root}/other)"),
    ("--direction BtoA", "--direction AtoB (now BtoA)"),
    ("--model test --dataroot {root}/dataset/testA",
     "--dataroot {root}/dataset (now {root}/dataset/testA), --dataset_mode aligned (now single), "
     "--model pix2pix (now test)"),
])
def test_results_of_other_inputs_are_kept_unless_overwrite_is_given(trained, translate, failure, tmp_path, flag, said):
    trained("--model pix2pix --no_dropout")
    shutil.copytree(tmp_path / "dataset", tmp_path / "other")
    (tmp_path / "other" / "test" / "1.png").rename(tmp_path / "other" / "test" / "7.png")
    folder = translate("")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    flag, said = flag.format(root=tmp_path), said.format(root=tmp_path)
    code, error = failure(translate, f"--num_test 1 {flag}")
    assert code == 2 and f"results/run/test_latest holds the results of {said}. --overwrite replaces them; " in error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    translate(f"--num_test 1 {flag} --results_dir apart")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    translate(f"--num_test 1 {flag} --overwrite")
    assert files(folder) == files(tmp_path / "apart/run/test_latest") != set()


def test_the_same_inputs_again_replace_their_own_results(trained, translate, tmp_path):
    trained("--model pix2pix")
    folder = translate("")
    (tmp_path / "link").symlink_to("dataset")
    for line in ("--num_test 1", "--num_test 2 --dataroot dataset", "--num_test 3 --dataroot ./link/ --model pix2pix"):
        translate(line)
        assert len(titles(folder)) == int(line.split()[1])


@pytest.mark.parametrize("damaged", [
    "", "[]", "null", "{}", '{"dataroot": 3}', '{"dataroot": {"value": "\\u0000"}, "model": {}}', "[" * 100_000,
    '{"dataroot": {"value": "\\u0000"}, "model": {"value": "pix2pix"}, "direction": {"value": "AtoB"}}',
])
def test_results_whose_options_are_damaged_are_kept_too(trained, translate, failure, damaged):
    trained("--model pix2pix")
    folder = translate("")
    (folder / "test_opt.json").write_text(damaged)
    code, said = failure(translate, "--num_test 1")
    assert code == 2 and "test_opt.json is damaged" in said and "--overwrite replaces them" in said
    assert len(files(folder)) == 12
    translate("--num_test 1 --overwrite")
    assert len(files(folder)) == 3


@pytest.mark.parametrize("damaged", [
    "", "{", "[]", "null", '{"labels": 3, "names": ["a"]}', '{"labels": ["a"], "names": ["\\u0000"]}',
])
def test_a_damaged_list_of_an_earlier_test_removes_nothing(trained, translate, damaged):
    trained("--model template")
    folder = translate("--model template")
    (folder / "names.json").write_text(damaged)
    translate("--model template --num_test 1")
    assert {f"{stem}_fake_B.png" for stem in "1234"} <= files(folder)
    assert json.loads((folder / "names.json").read_text())["names"] == ["1"]


def test_only_the_images_that_are_translated_are_looked_at(trained, translate, dataroot, failure, capsys):
    trained("--model template")
    (dataroot / "test" / "4.png").write_bytes(b"")
    folder = translate("--model template --num_test 2")
    assert titles(folder) == ["1", "2"]
    assert "note: the first 2 images are translated; a larger --num_test takes more" in capsys.readouterr().out
    code, said = failure(translate, "--model template --num_test 4")
    assert code == 2 and "4.png" in said


def test_the_row_of_an_unpaired_test_names_both_files(trained, translate, dataroot):
    trained("--model cycle_gan")
    renamed = (dataroot / "testB" / "2.png").rename(dataroot / "testB" / "9 <&>.png")
    folder = translate("--model cycle_gan")
    assert titles(folder) == ["1", "2 · B: 3.png", "3 · B: 4.png", "4 · B: 9 &lt;&amp;&gt;.png"]
    assert json.loads((folder / "names.json").read_text())["names"] == ["1", "2", "3", "4"]
    np.testing.assert_array_equal(read_pixels(folder / "images" / "4_real_B.png"), read_pixels(renamed))


def test_one_direction_names_no_file_of_B(trained, translate, tmp_path):
    trained("--model template")
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "photos" / name)
    folder = translate(f"--model test --dataroot {tmp_path / 'photos'}")
    assert titles(folder) == ["a", "b"]
