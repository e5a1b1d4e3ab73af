"""The numbers of results folders, against those worked out by hand."""
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from evaluation.choice import Choice
from evaluation.measuring import Measured, measure
from evaluation.results import results
from helpers.results import write_picture, write_results
from util.errors import UserError

PAIRS = {
    "1": {"real_A": 100, "fake_B": 13, "real_B": 10},
    "sub dir/ü 2": {"real_A": 60, "fake_B": 25, "real_B": 30},
}
BACK = {"fake_A": 98, "rec_A": 0, "rec_B": 0}
# the mean of B is 20: errors 3 and 5; of the input 90 and 30; of the mean 10 and 10
FORTH = ("A->B", 2, 4.0, 60.0, 10.0)


def measured(folder: Path, *metrics: str, **choice: object) -> list[Measured]:
    return measure(results(folder), Choice(metrics, **choice))


def answers(folder: Path) -> list[tuple]:
    """(direction, images, error, error of the input, error of the mean image) of each direction."""
    return [(one.direction.arrow, one.samples, *dataclasses.astuple(one.answers)) for one in measured(folder)]


def turned(row: tuple, arrow: str) -> tuple:
    return (arrow, *row[1:])


@pytest.mark.parametrize("direction, arrow", [("AtoB", "A->B"), ("BtoA", "B->A")])
def test_errors_of_pix2pix(tmp_path, direction, arrow):
    folder = write_results(tmp_path, PAIRS, direction=direction)
    assert answers(folder) == [turned(FORTH, arrow)]
    assert measured(folder)[0].answers.share == "40%"


@pytest.mark.parametrize("direction, arrows", [("AtoB", ("A->B", "B->A")), ("BtoA", ("B->A", "A->B"))])
def test_errors_of_both_directions_of_a_cycle_gan(tmp_path, direction, arrows):
    pairs = {name: pictures | BACK for name, pictures in PAIRS.items()}
    folder = write_results(tmp_path, pairs, model="cycle_gan", direction=direction)
    # back: the truth is 100 and 60, its mean 80; errors 2 and 38, of the input 90 and 30, of the mean 20 and 20
    assert answers(folder) == [turned(FORTH, arrows[0]), (arrows[1], 2, 20.0, 60.0, 20.0)]
    values = {one.direction.name: {metric: value.value for metric, value in one.report.values.items()}
              for one in measured(folder)}
    assert values["fake_B"] == pytest.approx({"mae": 4, "rec": 80})  # A came back as 0 instead of 100 and 60
    assert values["fake_A"] == pytest.approx({"mae": 20, "rec": 20})


def test_errors_are_means_over_pixels_and_channels(tmp_path):
    folder = write_results(tmp_path, PAIRS)
    picture = np.full((4, 4, 3), 10, np.uint8)
    picture[0, 0] = 58, 10, 0  # 48 + 0 + 10 over 48 values
    Image.fromarray(picture).save(folder / "images" / "1_fake_B.png")
    assert measured(folder)[0].answers.error == pytest.approx((58 / 48 + 5) / 2)
    assert measured(folder)[0].report.rows["1"]["mae"] == pytest.approx(58 / 48)


def test_pictures_of_an_earlier_test_do_not_count(tmp_path):
    write_results(tmp_path, PAIRS | {"3": {"real_A": 0, "fake_B": 0, "real_B": 255}})
    folder = write_results(tmp_path, PAIRS)
    assert (tmp_path / "images" / "3_fake_B.png").is_file()
    assert answers(folder) == [FORTH]


def test_a_single_image_is_its_own_mean(tmp_path):
    folder = write_results(tmp_path, {"1": PAIRS["1"]})
    assert answers(folder) == [("A->B", 1, 3.0, 90.0, 0.0)]
    assert measured(folder)[0].answers.share == "-"


def test_sizes_may_differ(tmp_path):
    rng = np.random.default_rng(0)
    rows = {str(number): {label: rng.integers(0, 256, (20 + number % 3, 17 + number, 3), np.uint8)
                          for label in ("real_A", "fake_B", "real_B")} for number in range(70)}
    one, = measured(write_results(tmp_path, rows), "mae", "psnr")
    expected = {name: peak_signal_noise_ratio(row["real_B"], row["fake_B"]) for name, row in rows.items()}
    assert {name: row["psnr"] for name, row in one.report.rows.items()} == pytest.approx(expected)
    assert list(one.report.rows) == list(rows)
    assert one.answers.mean_error is None  # there is no mean image
    copied = [np.abs(row["real_A"].astype(float) - row["real_B"]).mean() for row in rows.values()]
    assert one.answers.copy_error == pytest.approx(np.mean(copied))


def unpaired(folder: Path, count: int = 6, side: int = 16) -> Path:
    """Results of a CycleGAN: of B there are only 4, so that two of them come twice."""
    rng = np.random.default_rng(1)
    B = [rng.integers(0, 256, (side, side + 4, 3), np.uint8) for _ in range(4)]
    rows = {}
    for number in range(count):
        A = rng.integers(0, 256, (side, side, 3), np.uint8)
        rows[str(number)] = {"real_A": A, "fake_B": A // 2, "rec_A": A // 2 + 5,
                             "real_B": B[number % 4], "fake_A": B[number % 4] // 2, "rec_B": B[number % 4] // 4}
    return write_results(folder, rows, model="cycle_gan", dataset_mode="unaligned")


def test_unpaired_results_are_measured_and_each_picture_counts_once(tmp_path):
    forth, back = measured(unpaired(tmp_path))
    assert [list(one.report.values) for one in (forth, back)] == [["rec"], ["rec"]]
    assert (forth.report.values["rec"].n, back.report.values["rec"].n) == (6, 4)
    assert forth.answers is None
    assert any("2 pictures are there again and count once" in notice for notice in forth.notices)
    sources = [np.asarray(Image.open(tmp_path / "images" / f"{number}_real_B.png")).astype(float)
               for number in range(4)]
    assert back.report.values["rec"].value == pytest.approx(np.mean([np.abs(B - B // 4).mean() for B in sources]))


def test_sets_of_unpaired_results(tmp_path, monkeypatch):
    monkeypatch.setattr("metrics.self_features.MOST_STEPS", 2)
    forth, back = measured(unpaired(tmp_path, side=64), "kid", features="self")
    assert [(value.n, value.references) for one in (forth, back) for value in [one.report.values["kid"]]] == [
        (6, 4), (4, 6)]
    assert forth.reference == f"real_B of {tmp_path}"
    assert any("not comparable" in notice for notice in forth.notices)


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def labels(*halves: tuple[int, int, int]) -> np.ndarray:
    """A picture of 16 x 16 whose halves, or quarters, are of these colours."""
    return np.repeat(np.repeat(np.array([halves], np.uint8), 16 // len(halves), 1), 16, 0)


def test_classes_are_found_in_the_real_pictures(tmp_path):
    rows = {"1": {"real_A": 0, "fake_B": labels(RED, RED, GREEN, GREEN), "real_B": labels(RED, GREEN)},
            "2": {"real_A": 0, "fake_B": labels(BLUE, BLUE, BLUE, GREEN), "real_B": labels(BLUE, GREEN)}}
    one, = measured(write_results(tmp_path, rows), "pixel_acc", "class_acc", "class_iou")
    assert {name: value.value for name, value in one.report.values.items()} == pytest.approx(
        {"pixel_acc": 7 / 8, "class_acc": (1 + 3 / 4 + 1) / 3, "class_iou": (1 + 3 / 4 + 2 / 3) / 3})
    assert one.report.rows["2"]["pixel_acc"] == pytest.approx(3 / 4)
    assert any("3 classes were found in real_B" in notice for notice in one.notices)


def test_the_classes_of_a_palette(tmp_path):
    rows = {"1": {"real_A": 0, "fake_B": labels(RED, RED, RED, BLUE), "real_B": labels(RED, GREEN)}}
    palette = tmp_path / "palette.txt"
    palette.write_text("wall 255 0 0\ndoor 0 255 0\nsky 0 0 255\n")
    folder = write_results(tmp_path / "results", rows)
    one, = measured(folder, "pixel_acc", palette=palette)
    assert one.report.values["pixel_acc"].value == pytest.approx(1 / 2)
    palette.write_text("wall 255 0 0\ndoor 255 255 255\n")
    with pytest.raises(UserError, match="only 50% of their pixels are near a colour of .*palette.txt"):
        measured(folder, "pixel_acc", palette=palette)


def test_labels_are_measured_in_the_direction_that_has_them(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    row = {"real_A": photo, "fake_B": labels(RED, GREEN), "rec_A": photo, "real_B": labels(RED, GREEN),
           "fake_A": photo, "rec_B": labels(RED, GREEN)}
    forth, = measured(write_results(tmp_path, {"1": row}, model="cycle_gan"), "pixel_acc")
    assert forth.direction.name == "fake_B" and forth.report.values["pixel_acc"].value == 1
    assert "pixel_acc: not measured of fake_A, as real_A shows no labels" in forth.notices


def test_why_pictures_are_no_labels_is_told_where_none_are(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    one, = measured(write_results(tmp_path, {"1": {"real_A": photo, "fake_B": photo, "real_B": photo}}),
                    "mae", "pixel_acc", "class_acc")
    assert list(one.report.values) == ["mae"] and len(one.notices) == 1
    assert one.notices[0].startswith("pixel_acc, class_acc: not measured of fake_B, as real_B shows no labels: the "
                                     "pictures do not look like labels painted with a few colours")
    assert "--palette FILE" in one.notices[0]
    with pytest.raises(UserError, match="there is nothing to measure") as error:
        measured(tmp_path, "pixel_acc")
    assert "--palette FILE" in str(error.value) and "--metrics fid,kid" not in str(error.value)


def test_pictures_made_for_the_eye_are_measured(tmp_path):
    rows = {name: {"real_A": row["real_A"], "fake_B_rgb": row["fake_B"], "real_B_rgb": row["real_B"]}
            for name, row in PAIRS.items()}
    assert answers(write_results(tmp_path, rows, model="colorization", dataset_mode="colorization")) == [FORTH]


@pytest.mark.parametrize("rows, options, metrics, reason", [
    ({"1": {"real": 3, "fake": 4}}, {"dataset_mode": "single", "model": "test"}, (),
     "mae: not measured of fake, as there are no pictures of real\n"),
    (PAIRS, {"dataset_mode": "unaligned"}, (), "mae: not measured of fake_B, as the truth of each translation "
                                               "is not known\n"),
    (PAIRS, {}, ("rec",), "rec: not measured of fake_B, as there are no pictures of rec\n"),
])
def test_what_cannot_be_measured_is_said(tmp_path, rows, options, metrics, reason):
    folder = write_results(tmp_path, rows, **options)
    with pytest.raises(UserError) as error:
        measured(folder, *metrics)
    said = str(error.value)
    assert said.startswith(f"there is nothing to measure in {folder}:\n") and reason in said
    assert "evaluate.py --real FOLDER --fake FOLDER" in said


def test_metrics_that_do_not_fit_are_told_beside_those_that_do(tmp_path):
    one, = measured(write_results(tmp_path, PAIRS), "mae", "rec")
    assert list(one.report.values) == ["mae"]
    assert one.notices == ["rec: not measured of fake_B, as there are no pictures of rec"]


def test_one_network_of_two_domains_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds a network of one target domain, .* A->B and B->A; leave out"):
        measured(unpaired(tmp_path), "kid", features="self", feature_weights=tmp_path / "self.pth")


def test_which_results_cannot_be_measured_is_told(tmp_path):
    folder = write_results(tmp_path / "b", PAIRS)
    write_picture(folder / "images" / "1_fake_B.png", np.zeros((5, 4, 3), np.uint8))
    with pytest.raises(UserError, match=rf"^{folder}: 1: mae compares pictures pixel by pixel"):
        measured(folder)
    with pytest.raises(UserError, match=rf"^{tmp_path}/c: ssim needs pictures of at least 11 pixels a side"):
        measured(write_results(tmp_path / "c", PAIRS), "ssim")


def test_a_broken_picture_is_named(tmp_path):
    folder = write_results(tmp_path, PAIRS)
    write_picture(folder / "images" / "1_real_B.png", 7).write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=r"1_real_B.png cannot be read \(.*\); run test.py again"):
        measured(folder)
