"""Two folders of images, whoever made them."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.choice import Choice
from evaluation.measuring import Measured, measure
from evaluation.two_folders import two_folders
from helpers.results import write_picture, write_results
from util.errors import UserError


def measured(real: Path, fake: Path, *metrics: str, **choice: object) -> tuple[Measured, list[str]]:
    """The numbers, and what was said before."""
    chosen = Choice(metrics, **choice)
    source = two_folders(real, fake, chosen)
    one, = measure(source, chosen)
    return one, list(source.notices)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Pairs 1 and sub/2; 3 is real only, 4 and 5 are fake only."""
    real, fake = tmp_path / "real", tmp_path / "fake"
    for name, gray in {"1.png": 10, "sub/2.bmp": 30, "3.png": 0}.items():
        write_picture(real / name, gray)
    for name, gray in {"1.PNG": 13, "sub/2.png": 25, "4.png": 200, "5.png": 100}.items():
        write_picture(fake / name, gray)
    return real, fake


def test_equal_names_are_pairs(folders):
    one, notices = measured(*folders)
    assert one.report.rows == {"1": {"mae": pytest.approx(3)}, "sub/2": {"mae": pytest.approx(5)}}
    assert (one.report.values["mae"].value, one.report.values["mae"].n) == (pytest.approx(4), 2)
    assert one.reference == f"real of {folders[0]}"
    said = "\n".join(notices)
    assert "3 images in " in said and "have no partner" in said
    assert all(str(folder / name) in said for folder, name in zip((folders[1], folders[1], folders[0]),
                                                                  ("4.png", "5.png", "3.png"), strict=True))


def test_of_16_bits_the_whole_type_counts_and_it_is_said(tmp_path):
    for role, value in (("real", 1000), ("fake", 2000)):
        (tmp_path / role).mkdir()
        np.save(tmp_path / role / "1.npy", np.full((8, 8), value, np.uint16))
    one, notices = measured(tmp_path / "real", tmp_path / "fake")
    assert one.report.values["mae"].value == pytest.approx(1000 / 65535 * 255)
    assert ["values of type uint16, and 0 to 65535 count as black to white" in line for line in notices] == [True]


def test_names_with_two_endings_keep_them(folders):
    real, fake = folders
    for folder, ending, gray in ((real, "bmp", 0), (fake, "bmp", 9), (fake, "png", 13)):
        write_picture(folder / f"1.{ending}", gray)
    (fake / "1.PNG").unlink()
    one, _ = measured(real, fake)
    assert {name: round(row["mae"]) for name, row in one.report.rows.items()} == {"1.bmp": 9, "1.png": 3, "sub/2": 5}


def test_metrics_of_sets_take_all(folders, monkeypatch):
    monkeypatch.setattr("metrics.self_features.MOST_STEPS", 2)
    one, notices = measured(*folders, "kid", features="self")
    assert (one.report.values["kid"].n, one.report.values["kid"].references) == (4, 3)
    assert notices == []  # partners do not matter
    both, notices = measured(*folders, "kid", "mae", features="self")
    counts = {name: (value.n, value.references) for name, value in both.report.values.items()}
    assert counts == {"kid": (4, 3), "mae": (2, 2)}
    assert len(notices) == 1


def test_no_pair_left(folders):
    real, fake = folders
    with pytest.raises(UserError, match=r"No pair is left for mae\. .*--metrics fid,kid"):
        measured(real / "sub", fake)


def test_images_are_read_as_everywhere(tmp_path):
    Image.fromarray(np.array([[[9, 9, 9, 0]]], np.uint8)).save(write_picture(tmp_path / "real" / "1.png", 0))
    write_picture(tmp_path / "fake" / "1.jpg", np.full((1, 1), 254, np.uint8))  # gray, beside what is transparent
    one, _ = measured(tmp_path / "real", tmp_path / "fake")
    assert one.report.values["mae"].value == pytest.approx(1, abs=0.6)


def test_sizes_that_differ_are_said(folders):
    real, fake = folders
    write_picture(fake / "1.PNG", np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(UserError, match=r"1: mae compares pictures pixel by pixel.*'fake' is 6 x 5.*'real' is 4 x 4"):
        measured(real, fake)


def test_results_give_their_translations(tmp_path):
    rows = {"1": {"real": 0, "fake": 13}, "sub/2": {"real": 0, "fake": 25}}
    fake = write_results(tmp_path / "results", rows, model="test", dataset_mode="single")
    for name, gray in {"1.png": 10, "sub/2.png": 30}.items():
        write_picture(tmp_path / "real" / name, gray)
    one, _ = measured(tmp_path / "real", fake)
    assert one.report.rows == {"1": {"mae": pytest.approx(3)}, "sub/2": {"mae": pytest.approx(5)}}
    both = write_results(tmp_path / "both", {"1": {"real_A": 0, "fake_B": 0, "real_B": 0, "fake_A": 0}})
    with pytest.raises(UserError, match="holds results of two directions, fake_B and fake_A"):
        measured(tmp_path / "real", both)


def test_the_real_images_of_results_are_the_real_ones(tmp_path):
    row = {"real_A": 0, "fake_B": 99, "real_B": 10}
    results = write_results(tmp_path / "results", {"1": row})
    write_picture(tmp_path / "theirs" / "1.png", 13)
    one, _ = measured(results, tmp_path / "theirs")
    assert one.report.rows == {"1": {"mae": pytest.approx(3)}}
    one, _ = measured(results, results)
    assert one.report.rows == {"1": {"mae": pytest.approx(89)}}
    for mode in ("single", "unaligned"):
        folder = write_results(tmp_path / mode, {"1": row}, dataset_mode=mode)
        with pytest.raises(UserError, match=f"--real {folder} holds results without pairs, .* give a folder of real"):
            measured(folder, tmp_path / "theirs")


@pytest.mark.parametrize("make, found", [(False, "is no folder"), (True, "holds no images")])
def test_folders_without_images(folders, tmp_path, make, found):
    empty = tmp_path / "empty"
    if make:
        empty.mkdir()
    with pytest.raises(UserError, match=f"--real {empty} {found}; expected a folder of images"):
        measured(empty, folders[1])
