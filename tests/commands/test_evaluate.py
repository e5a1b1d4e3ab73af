"""evaluate.py: its table, its files, what it understands and what it refuses."""
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evaluate
from helpers.commands import ROOT
from helpers.results import write_picture, write_results

PAIRS = {
    "1": {"real_A": 100, "fake_B": 13, "real_B": 10},
    "sub dir/ü 2": {"real_A": 60, "fake_B": 25, "real_B": 30},
}
BACK = {"fake_A": 98, "rec_A": 0, "rec_B": 0}


def run(line: str) -> None:
    evaluate.main(line.split())


def test_the_table_and_the_json(tmp_path, capsys):
    first, second = write_results(tmp_path / "a", PAIRS), write_results(tmp_path / "b", PAIRS, name="second run")
    evaluate.main([str(first), str(second), "--json", str(tmp_path / "out" / "numbers.json")])
    _, _, header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == "model direction images translated copy of input mean image share of better".split()
    assert lines[0].split() == ["maps", "A->B", "2", "4.00", "60.00", "10.00", "40%"]
    assert lines[1].split() == ["second", "run", "A->B", "2", "4.00", "60.00", "10.00", "40%"]
    entry = json.loads((tmp_path / "out" / "numbers.json").read_text())[0]
    assert entry.items() >= {"result": "maps", "direction": "A->B", "images": 2, "error": 4.0, "copy_error": 60.0,
                             "mean_error": 10.0, "fake": "fake_B", "reference": f"real_B of {first}"}.items()


def test_each_metric_is_told_with_interval_direction_numbers_and_reference(tmp_path, capsys):
    folder = write_results(tmp_path, PAIRS)
    run(f"{folder} --metrics mae,psnr,rec")
    head, columns, mae, psnr, note, _, *legend, page = capsys.readouterr().out.splitlines()[5:]
    assert head == f"maps A->B: fake_B, references: real_B of {folder}"
    assert columns.split() == ["metric", "value", "95%", "interval", "better", "images", "references"]
    assert mae.split() == ["mae", "4.000", "[3.000,", "5.000]", "lower", "2", "2"]
    assert legend[0] == "mae: mean absolute difference to the truth (gray levels of 255)" and len(legend) == 2
    assert psnr.split()[0] == "psnr" and "higher" in psnr.split()
    assert note == "  note: rec: not measured of fake_B, as there are no pictures of rec"
    assert page == f"page: {folder}/index.html"


def test_sizes_that_differ_have_no_mean_image(tmp_path, capsys):
    folder = write_results(tmp_path, PAIRS)
    for label, gray in PAIRS["1"].items():
        write_picture(folder / "images" / f"1_{label}.png", np.full((6, 4, 3), gray, np.uint8))
    run(f"{folder} --json {tmp_path}/numbers.json")
    line = capsys.readouterr().out.splitlines()[3]
    assert line.split() == ["maps", "A->B", "2", "4.00", "60.00", "-", "7%"]
    assert json.loads((tmp_path / "numbers.json").read_text())[0]["mean_error"] is None


def test_files_in_the_results_folder(tmp_path):
    folder = write_results(tmp_path / "a", {name: row | BACK for name, row in PAIRS.items()}, model="cycle_gan")
    run(f"{folder} --csv {tmp_path}/all.csv")
    rows = list(csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    columns = {"mae_fake_B": (3, 5), "rec_fake_B": (100, 60), "mae_fake_A": (2, 38), "rec_fake_A": (10, 30)}
    assert [row["name"] for row in rows] == ["1", "sub dir/ü 2"]
    assert {row["result"] for row in rows} == {"maps"}
    for name, values in columns.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values)
    assert (tmp_path / "all.csv").read_text() == (folder / "metrics.csv").read_text()
    entries = json.loads((folder / "metrics.json").read_text())
    assert [(entry["fake"], entry["metrics"]["mae"]["value"]) for entry in entries] == [
        ("fake_B", pytest.approx(4)), ("fake_A", pytest.approx(20))]
    assert entries[0]["metrics"]["mae"].items() >= {"n": 2, "references": 2, "better": "lower"}.items()
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "mae_fake_B" in page and "20.00 [2.000, 38.00]" in page


def test_names_that_are_no_characters(tmp_path):
    folder = write_results(tmp_path, {"a\udcff": PAIRS["1"], "b,\n'<": PAIRS["1"]})
    run(f"{folder} --json {tmp_path}/numbers.json")
    rows = list(csv.reader((folder / "metrics.csv").open(encoding="utf-8", newline="")))
    assert [row[1] for row in rows] == ["name", "a\\udcff", "b,\n'<"]


def test_a_bar_of_many_images(tmp_path, capsys):
    folder = write_results(tmp_path, {str(number): PAIRS["1"] for number in range(201)})
    run(str(folder))
    assert "201/201" in capsys.readouterr().err


def test_two_results_of_one_name_are_told_apart(tmp_path, capsys):
    folders = [write_results(tmp_path / epoch, PAIRS) for epoch in ("test_latest", "test_best")]
    run(f"{folders[0]} {folders[1]} {folders[0]} --csv {tmp_path}/all.csv")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[3:5]] == list(map(str, folders))
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["result"] for row in rows] == [str(folder) for folder in folders for _ in PAIRS]


def test_results_that_no_metric_fits_do_not_stop_the_others(tmp_path, capsys, failure):
    folders = [write_results(tmp_path / name, PAIRS, name=name, dataset_mode=mode)
               for name, mode in (("a", "aligned"), ("b", "unaligned"), ("c", "aligned"), ("d", "unaligned"))]
    a, b, c, d = folders
    run(f"{a} {b} {c} --json {tmp_path}/numbers.json")
    said = capsys.readouterr().out
    assert f"note: there is nothing to measure in {b}:\n  mae: not measured of fake_B" in said
    assert [entry["result"] for entry in json.loads((tmp_path / "numbers.json").read_text())] == ["a", "c"]
    assert [(folder / "metrics.json").exists() for folder in folders] == [True, False, True, False]
    code, said = failure(run, f"{b} {d}")
    assert code == 2 and all(f"there is nothing to measure in {folder}" in said for folder in (b, d))


def test_classes_of_a_file_and_features_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("metrics.self_features.MOST_STEPS", 2)
    (tmp_path / "palette.txt").write_text("dark 0 0 0\nlight 20 20 20\nother 255 0 0\n")
    folder = write_results(tmp_path / "results", {"1": {"real_A": 0, "fake_B": 1, "real_B": 0},
                                                  "2": {"real_A": 0, "fake_B": 19, "real_B": 3}})
    line = (f"{folder} --metrics pixel_acc,kid --palette {tmp_path}/palette.txt --features self "
            f"--feature_weights {tmp_path}/self.pth --json {tmp_path}/numbers.json")
    run(line)
    first = (tmp_path / "numbers.json").read_text()
    assert json.loads(first)[0]["metrics"]["pixel_acc"]["value"] == 0.5
    assert "classes were found" not in capsys.readouterr().out
    monkeypatch.setattr("metrics.self_features.train", pytest.fail)  # the network was kept
    run(line)
    assert (tmp_path / "numbers.json").read_text() == first


def test_json_knows_no_infinity(tmp_path):
    from evaluation.files import write_json
    from evaluation.measuring import Measured
    from evaluation.samples import Direction
    from metrics.base_metric import Tools
    from metrics.mae_metric import MaeMetric
    from metrics.measuring import Report, Value

    report = Report({"mae": Value(float("inf"), 2, 2, float("nan"), None)}, {})
    write_json(tmp_path / "numbers.json", [Measured("x", Direction("fake", "", {}, True), "y", 2,
                                                    {"mae": MaeMetric(Tools())}, report, None, [])])
    text = (tmp_path / "numbers.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)[0]["metrics"]["mae"]["value"] is None


def test_two_folders(tmp_path, capsys):
    for side, gray in (("real", 10), ("fake", 13)):
        write_picture(tmp_path / side / "1.png", gray)
    write_picture(tmp_path / "fake" / "2.png", 0)
    run(f"--real {tmp_path}/real --fake {tmp_path}/fake --csv {tmp_path}/all.csv")
    said = capsys.readouterr().out
    assert f"note: 1 images in {tmp_path}/fake and {tmp_path}/real have no partner of the same name:\n" in said
    assert "mae" in said and "3.000" in said and f"references: real of {tmp_path}/real" in said
    assert (tmp_path / "all.csv").read_text().splitlines()[1] == f"{tmp_path}/fake,1,3"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.csv", "fake", "real"]
    run(f"--real {tmp_path}/real --fake {tmp_path}/fake --json {tmp_path}/numbers.json")
    entry, = json.loads((tmp_path / "numbers.json").read_text())
    assert (entry["images"], entry["metrics"]["mae"]["n"]) == (2, 1)


@pytest.mark.parametrize("file", ["names.json", "test_opt.json"])
@pytest.mark.parametrize("content", [
    "[]", "3", "{}", '{"model": 3}', '{"names": 3, "labels": 3}', '{"model": {}}', "{", "\0",
])
def test_files_of_another_shape_are_refused(tmp_path, failure, file, content):
    folder = write_results(tmp_path, PAIRS)
    (folder / file).write_text(content)
    code, said = failure(run, str(folder))
    assert code == 2 and f"{folder}/{file} is damaged" in said and "Traceback" not in said


@pytest.mark.parametrize("name, said", [
    ("../../1", "'../../1' is no file in images/"),
    ("/1", "'/1' is no file in images/"),
    ("1", "a name stands there twice"),
])
def test_pictures_elsewhere_and_pictures_twice_are_refused(tmp_path, failure, name, said):
    folder = write_results(tmp_path / "a", PAIRS)
    for label, gray in PAIRS["1"].items():
        write_picture(tmp_path / f"1_{label}.png", gray)
    (folder / "names.json").write_text(json.dumps({"names": ["1", name], "labels": list(PAIRS["1"])}))
    for line in (f"{folder}", f"study --fake {folder} --output {tmp_path}/study.html"):
        code, error = failure(run, line)
        assert code == 2 and f"{folder}/names.json is damaged (ValueError: {said}); run test.py again" in error
    assert not (tmp_path / "study.html").exists()


def test_a_dataset_mode_of_nobody_is_told_with_its_file(tmp_path, failure):
    folder = write_results(tmp_path, PAIRS, dataset_mode="aligne")
    code, said = failure(run, str(folder))
    assert code == 2 and f"{folder}/test_opt.json cannot be used: --dataset_mode 'aligne' is not known" in said


@pytest.mark.parametrize("line, said", [
    ("a --json images", "--json images is a folder; give a file"),
    ("a --csv numbers.txt/x.csv", "numbers.txt is a file, where a folder is expected"),
    ("a --json x --csv ./x", "--json and --csv both say x; give each a file of its own"),
    ("fcn --dataroot none a --json images", "--json images is a folder"),
    ("compare a b --json images", "--json images is a folder"),
    ("study --fake a --output images", "--output images is a folder"),
    ("study --score x.json --json images", "--json images is a folder"),
])
def test_files_that_cannot_be_written_are_told_before_anything_is_done(tmp_path, monkeypatch, failure, line, said):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        write_results(Path(name), PAIRS)
    Path("images").mkdir()
    Path("numbers.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    code, error = failure(run, line)
    assert code == 2 and error.startswith("error: ") and said in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("line, said", [
    ("fcn --dataroot x a --steps x", "argument --steps: 'x' is no whole number of 1 or more"),
    ("fcn --dataroot x a --size 31", "argument --size: '31' is no whole number of 32 or more"),
    ("compare a b --rows 0", "argument --rows: '0' is no whole number of 1 or more"),
    ("study --fake a --practice 1001", "argument --practice: '1001' is no whole number from 0 to 1000"),
])
def test_whole_numbers(failure, line, said):
    code, error = failure(run, line)
    assert code == 2 and said in error


def test_folders_that_are_no_results_are_refused(tmp_path, failure):
    def evaluated(folder: Path) -> tuple[int, str]:
        return failure(run, str(folder))

    code, said = evaluated(tmp_path)
    assert code == 2 and f"{tmp_path} holds no results (test_opt.json: No such file or directory); expected a" in said
    folder = write_results(tmp_path / "incomplete", PAIRS)
    (folder / "images" / "1_real_B.png").unlink()
    code, said = evaluated(folder)
    assert code == 2 and f"{folder}/images/1_real_B.png cannot be read (No such file or directory); run test.py" in said
    code, said = evaluated(write_results(tmp_path / "none", {}))
    assert code == 2 and "holds no fake_B" in said


@pytest.mark.parametrize("line, said", [
    ("", "found no folder and no run; expected one of these:\nusage: evaluate.py RESULTS"),
    ("x --metrics mea", "--metrics 'mea' is not known (did you mean mae?)"),
    ("x --metrics mea", "\n  mae        mean absolute difference to the truth\n"),
    ("x --metrcs mae", "--metrcs is not an option here (did you mean --metrics?)"),
    ("x --features incept", "'incept' is not known (did you mean inception?)"),
    ("--real x", "--real and --fake belong together"),
    ("x --metrics mae,pixel_acc --palette none.txt", "none.txt cannot be read as a palette (No such file"),
    ("x --real y --fake z", "found both folders of results and --real, --fake; expected one of these"),
    ("--name maps --dataroot x --metrcs mae --checkpoints_dir nowhere", "nowhere/maps"),
])
def test_what_is_not_understood(tmp_path, monkeypatch, failure, line, said):
    monkeypatch.chdir(tmp_path)
    code, error = failure(run, line)
    assert code == 2 and error.startswith("error: ") and said in error


def test_help_names_the_commands_and_the_metrics():
    done = subprocess.run([sys.executable, "evaluate.py", "--help"], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    for word in (*evaluate.COMMANDS, *evaluate.COMMANDS.values(), "mae, ", "--metrics", "--palette", "--json"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_help_of_a_run_lists_all_its_options(capsys):
    with pytest.raises(SystemExit) as left:
        run("--model cycle_gan --help")
    said = capsys.readouterr().out
    assert left.value.code == 0
    for word in ("usage: evaluate.py", "--aspect_ratio", "--no_dropout", "--feature_weights"):
        assert word in said


def test_a_folder_that_cannot_be_written(tmp_path, capsys, failure):
    folder = write_results(tmp_path, PAIRS)
    (folder / "metrics.json").mkdir()
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        run(str(folder))
    said = capsys.readouterr()
    assert left.value.code == 1 and "metrics.json" in said.err
    assert "maps" in said.out  # nothing that was measured is lost
