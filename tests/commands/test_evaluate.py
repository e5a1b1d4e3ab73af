"""evaluate.py: its numbers against those worked out by hand, and what it refuses."""
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate


def write_results(folder: Path, rows: dict[str, dict[str, int]], **options: str) -> Path:
    """A result folder of test.py. rows: name -> label -> gray level of that whole picture."""
    for name, pictures in rows.items():
        for label, gray in pictures.items():
            file = folder / "images" / f"{name}_{label}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4, 3), gray, np.uint8)).save(file)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "names.json").write_text(json.dumps({"labels": list(next(iter(rows.values()), [])), "names": list(rows)}))
    opt = {"name": "maps", "model": "pix2pix", "dataset_mode": "aligned", "direction": "AtoB"} | options
    rows_of_opt = {name: {"value": value, "source": ""} for name, value in opt.items()}
    (folder / "test_opt.json").write_text(json.dumps(rows_of_opt))
    return folder


PAIRS = {
    "1": {"real_A": 100, "fake_B": 13, "real_B": 10},
    "sub dir/ü 2": {"real_A": 60, "fake_B": 25, "real_B": 30},
}
BACK = {"fake_A": 98, "rec_A": 0, "rec_B": 0}
# the mean of B is 20: errors 3 and 5; of the input 90 and 30; of the mean 10 and 10
FORTH_ROW = (2, 4.0, 60.0, 10.0)


@pytest.mark.parametrize("direction, names", [("AtoB", "A->B"), ("BtoA", "B->A")])
def test_errors_of_pix2pix(tmp_path, direction, names):
    rows = evaluate.measure(write_results(tmp_path, PAIRS, direction=direction))
    assert rows == [evaluate.Row("maps", names, *FORTH_ROW)]
    assert rows[0].share == "40%"


@pytest.mark.parametrize("direction, names", [("AtoB", ("A->B", "B->A")), ("BtoA", ("B->A", "A->B"))])
def test_errors_of_both_directions_of_a_cycle_gan(tmp_path, direction, names):
    pairs = {name: pictures | BACK for name, pictures in PAIRS.items()}
    rows = evaluate.measure(write_results(tmp_path, pairs, model="cycle_gan", direction=direction))
    # back: the truth is 100 and 60, its mean 80; errors 2 and 38, of the input 90 and 30, of the mean 20 and 20
    assert rows == [evaluate.Row("maps", names[0], *FORTH_ROW), evaluate.Row("maps", names[1], 2, 20.0, 60.0, 20.0)]


def test_errors_are_means_over_pixels_and_channels(tmp_path):
    folder = write_results(tmp_path, PAIRS)
    picture = np.full((4, 4, 3), 10, np.uint8)
    picture[0, 0] = 58, 10, 0  # 48 + 0 + 10 over 48 values
    Image.fromarray(picture).save(folder / "images" / "1_fake_B.png")
    assert evaluate.measure(folder)[0].error == pytest.approx((58 / 48 + 5) / 2)


def test_pictures_of_an_earlier_test_do_not_count(tmp_path):
    write_results(tmp_path, PAIRS | {"3": {"real_A": 0, "fake_B": 0, "real_B": 255}})
    rows = evaluate.measure(write_results(tmp_path, PAIRS))
    assert (tmp_path / "images" / "3_fake_B.png").is_file()
    assert rows == [evaluate.Row("maps", "A->B", *FORTH_ROW)]


def test_the_table_and_the_json(tmp_path, capsys):
    first, second = write_results(tmp_path / "a", PAIRS), write_results(tmp_path / "b", PAIRS, name="second run")
    evaluate.main([str(first), str(second), "--json", str(tmp_path / "out" / "numbers.json")])
    _, _, header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == "model direction images translated copy of input mean image share of better".split()
    assert lines[0].split() == ["maps", "A->B", "2", "4.00", "60.00", "10.00", "40%"]
    assert lines[1].split() == ["second", "run", "A->B", "2", "4.00", "60.00", "10.00", "40%"]
    assert json.loads((tmp_path / "out" / "numbers.json").read_text())[0] == {
        "result": "maps", "direction": "A->B", "images": 2, "error": 4.0, "copy_error": 60.0, "mean_error": 10.0}


def test_a_single_image_is_its_own_mean(tmp_path):
    rows = evaluate.measure(write_results(tmp_path, {"1": PAIRS["1"]}))
    assert rows == [evaluate.Row("maps", "A->B", 1, 3.0, 90.0, 0.0)] and rows[0].share == "-"


@pytest.mark.parametrize("options, message", [
    ({"dataset_mode": "unaligned", "model": "cycle_gan"},
     "was made with --dataset_mode unaligned, so the truth is not known; run test.py on pairs, with --dataset_mode "
     "aligned"),
    ({"dataset_mode": "single", "model": "test"}, "was made with --model test, which shows no truth"),
    ({"dataset_mode": "aligned", "model": "test"}, "was made with --model test, which shows no truth"),
])
def test_results_without_the_truth_are_refused(tmp_path, failure, options, message):
    folder = write_results(tmp_path, PAIRS, **options)
    code, said = failure(lambda line: evaluate.main([line]), str(folder))
    assert code == 2 and said.startswith(f"error: {folder} {message}")


@pytest.mark.parametrize("file", ["names.json", "test_opt.json"])
@pytest.mark.parametrize("content", [
    "[]", "3", "{}", '{"model": 3}', '{"names": 3, "labels": 3}', '{"model": {}}', "{", "\0",
])
def test_files_of_another_shape_are_refused(tmp_path, failure, file, content):
    folder = write_results(tmp_path, PAIRS)
    (folder / file).write_text(content)
    code, said = failure(lambda line: evaluate.main([line]), str(folder))
    assert code == 2 and f"{folder}/test_opt.json or names.json is damaged" in said and "Traceback" not in said


def test_folders_that_are_no_results_are_refused(tmp_path, failure):
    def evaluated(folder: Path) -> tuple[int, str]:
        return failure(lambda line: evaluate.main([line]), str(folder))

    code, said = evaluated(tmp_path)
    assert code == 2 and f"{tmp_path} holds no results (no test_opt.json); expected a folder that test.py wrote" in said
    folder = write_results(tmp_path / "incomplete", PAIRS)
    (folder / "images" / "1_real_B.png").unlink()
    code, said = evaluated(folder)
    assert code == 2 and f"{folder}/images/1_real_B.png cannot be read (No such file or directory); run test.py" in said
    code, said = evaluated(write_results(tmp_path / "none", {}))
    assert code == 2 and "holds no fake_B" in said
    folder = write_results(tmp_path / "sizes", PAIRS)
    for label in PAIRS["1"]:
        Image.new("RGB", (6, 4)).save(folder / "images" / f"1_{label}.png")
    code, said = evaluated(folder)
    assert code == 2 and "holds pictures of 2 sizes" in said and "--preprocess resize_and_crop" in said


def test_real_results_are_read(trained, translate):
    trained("--model cycle_gan")
    rows = evaluate.measure(translate("--model cycle_gan --dataset_mode aligned"))
    assert [(row.result, row.direction, row.images) for row in rows] == [("run", "A->B", 4), ("run", "B->A", 4)]
    assert all(row.error > 0 and row.copy_error > 0 for row in rows)
