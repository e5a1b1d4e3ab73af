"""evaluate.py compare: what it shows of which inputs, its numbers against those worked out by hand, what it refuses."""
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import evaluate
from helpers.browser import chromium
from helpers.images import read_pixels
from helpers.results import write_results

TRUTHS = {"1": 10, "2": 30, "sub/3": 50}  # gray levels of pictures; sources are twice as bright


def write(folder: Path, name: str, fakes: dict[str, int], mode: str = "aligned", size: int = 4,
          **more: dict[str, int]) -> Path:
    """A folder of results. fakes and more: the gray level of each picture, by name; truth and source by TRUTHS."""
    truths = {image: TRUTHS.get(image, 0) for image in fakes}
    sides = {"real_A": {image: 2 * gray for image, gray in truths.items()}, "fake_B": fakes, "real_B": truths} | more
    rows = {image: {label: np.full((size, size, 3), grays[image], np.uint8) for label, grays in sides.items()}
            for image in fakes}
    return write_results(folder, rows, name=name, dataset_mode=mode)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Path]:
    """Writes results/NAME/test_latest."""
    return lambda name, fakes, **more: write(tmp_path / "results" / name / "test_latest", name, fakes, **more)


def compare(line: str) -> None:
    evaluate.main(["compare", *line.split(), "--json", "numbers.json"])


def record(folder: str = "results/comparison") -> dict:
    return json.loads(Path(folder, "comparison.json").read_text())


def titles() -> list[str]:
    """Of the methods."""
    return list(record()["columns"].values())[1:-1]


def errors() -> dict[str, float]:
    """The mean absolute error of each method."""
    return {entry["result"]: entry["metrics"]["mae"]["value"] for entry in json.loads(Path("numbers.json").read_text())}


def grays(folder: str = "results/comparison", cell: int = 8, columns: int = 4) -> list[list[int]]:
    """The gray level of each picture of a figure, by rows. cell: of its pictures, with gaps of 1."""
    picture = read_pixels(Path(folder, "comparison.png"))
    assert picture.shape[1] == columns * (cell + 1) - 1
    rows = []
    for bottom in range(picture.shape[0], 0, -(cell + 1)):
        cells = [picture[bottom - cell:bottom, left:left + cell] for left in range(0, picture.shape[1], cell + 1)]
        if len(cells[0]) < cell or any(len(np.unique(one)) > 1 for one in cells) or (cells[0] == 255).all():
            break  # the captions
        rows.insert(0, [int(one[0, 0, 0]) for one in cells])
    return rows


def texts(page: Path, tag: str) -> list[str]:
    return [part.split(f"</{tag}>")[0] for part in page.read_text().split(f"<{tag}>")[1:]]


def test_methods_are_columns_in_the_order_given_between_input_and_truth(results, capsys):
    results("one", {"1": 13, "2": 35, "sub/3": 50})
    results("two", {"sub/3": 60, "1": 12, "2": 20, "4": 0})
    compare("results/two/test_latest results/one/test_latest --cell 8 --metrics mae")
    said = capsys.readouterr().out
    assert "note: left out, since not all methods have them: 4\n" in said and "results/comparison/index.html" in said
    assert grays() == [[100, 60, 50, 50], [20, 12, 13, 10], [60, 20, 35, 30]]  # rows in the order of the first

    two, one = json.loads(Path("numbers.json").read_text())
    assert (two["result"], one["result"]) == ("two", "one") and two["images"] == one["images"] == 3
    assert errors() == pytest.approx({"two": 22 / 3, "one": 8 / 3})
    mae = one["metrics"]["mae"]
    assert 0 <= mae["low"] < mae["value"] < mae["high"] <= 5.001 and (mae["n"], mae["better"]) == (3, "lower")
    assert record()["columns"] == {"input": "Input", "two": "two", "one": "one", "ground_truth": "Ground truth"}

    page = Path("results/comparison/index.html")
    assert texts(page, "h2") == ["Input", "two", "one", "Ground truth", "sub/3", "1", "2"]
    values = re.findall(r"<(b|span)[^>]*>([\d.]+)</\1>", page.read_text())
    assert values == [("span", "7.333"), ("b", "2.667")]  # the best is bold
    assert re.findall(r">mae ([\d.]+)<", page.read_text()) == [
        "10.00", "0.000", "2.000", "3.000", "10.00", "5.000"]  # of each input


def test_the_folder_may_be_moved_and_the_results_removed(results, tmp_path):
    names = ["one", "two"]
    for gray, name in enumerate(names):
        results(name, {"1": gray, "sub/3": 50 + gray})
    compare("results/one/test_latest results/two/test_latest --output here/comparison")
    shutil.move("here/comparison", "moved")
    shutil.rmtree("results")
    page = Path("moved/index.html").read_text()
    links = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert links == [f"images/{column}/{name}.png" for name in ("1", "sub/3")
                     for column in ("input", "one", "two", "ground_truth")]
    assert [int(read_pixels(Path("moved", link))[0, 0, 0]) for link in links] == [20, 0, 1, 10, 100, 50, 51, 50]
    assert str(tmp_path) not in page.replace(str(tmp_path / "results"), "")


def test_the_figure_shows_the_rows_that_are_asked_for(results):
    for name, gray in (("one", 1), ("two", 2)):
        results(name, {"1": gray, "2": 10 + gray, "sub/3": 20 + gray, "a,b": 30 + gray})
    folders = "results/one/test_latest results/two/test_latest --cell 8"
    compare(f"{folders} --rows 2")
    assert [row[1] for row in grays()] == [1, 11]
    compare(f"{folders} --names sub/3,1 --names a,b")
    assert [row[1] for row in grays()] == [21, 1, 31]
    compare(folders)
    assert len(grays()) == 4
    without = read_pixels(Path("results/comparison/comparison.png"))
    compare(f"{folders} --row_names")
    named = read_pixels(Path("results/comparison/comparison.png"))
    assert named.shape[0] == without.shape[0] and named.shape[1] > without.shape[1]
    assert (named[:, -without.shape[1]:] == without).all()


def test_titles_are_those_given_or_else_told_apart(results):
    results("one", {"1": 1})
    shutil.copytree("results/one/test_latest", "results/one/test_5")
    shutil.copytree("results/one/test_latest", "other/test_5")
    results("two", {"1": 2})
    folders = "results/one/test_latest results/one/test_5 other/test_5 results/two/test_latest"
    compare(folders)
    assert titles() == ["one test_latest", "one test_5", "one test_5_2", "two"]
    plain = read_pixels(Path("results/comparison/comparison.png"))
    compare(f"{folders} --titles Ours,Theirs,Ours,x")
    assert titles() == ["Ours", "Theirs", "Ours_2", "x"]
    titled = read_pixels(Path("results/comparison/comparison.png"))
    assert (titled[-256:] == plain[-256:]).all() and (titled[:-256] != plain[:-256]).any()


def test_either_direction(results):
    back = {"1": 22, "2": 60}
    results("cycle", {"1": 11, "2": 31}, fake_A=back, rec_A=back, rec_B=back)
    results("other", {"1": 21, "2": 70}, real_A={"1": 10, "2": 30}, real_B={"1": 20, "2": 60})  # labels are its source
    compare("results/cycle/test_latest results/other/test_latest --fake fake_A,fake_B --cell 8")
    assert grays() == [[10, 22, 21, 20], [30, 60, 70, 60]]
    assert errors() == pytest.approx({"cycle": 1, "other": 5.5})


def test_without_a_truth_there_is_no_last_column(results, failure):
    for name, gray in (("one", 1), ("two", 2)):
        results(name, {"1": gray, "2": gray}, mode="unaligned")
    folders = "results/one/test_latest results/two/test_latest --cell 8"
    compare(folders)
    assert grays(columns=3) == [[20, 1, 2], [60, 1, 2]]
    assert json.loads(Path("numbers.json").read_text()) == []
    code, said = failure(compare, f"{folders} --metrics mae")
    assert code == 2 and "mae" in said and "truth" in said and "--dataset_mode aligned" in said


def test_the_truth_of_one_is_that_of_all(results):
    results("one", {"1": 13}, mode="unaligned", real_B={"1": 77})  # its real_B is any picture of that domain
    results("two", {"1": 15})
    compare("results/one/test_latest results/two/test_latest --cell 8")
    assert grays() == [[20, 13, 15, 10]]
    assert errors() == pytest.approx({"one": 3, "two": 5})


def test_rows_of_different_inputs_are_left_out(results, failure, capsys):
    results("one", {"1": 1, "2": 2, "sub/3": 3})
    results("two", {"1": 4, "2": 5, "sub/3": 6}, real_A={"1": 20, "2": 99, "sub/3": 100})
    folders = "results/one/test_latest results/two/test_latest --cell 8"
    compare(folders)
    assert "note: left out, since the methods were given different pictures under these names: 2\n" in (
        capsys.readouterr().out)
    assert [row[1:3] for row in grays()] == [[1, 4], [3, 6]]
    assert not Path("results/comparison/images/one/2.png").exists()

    results("two", {"1": 4, "2": 5}, real_A={"1": 0, "2": 0})
    code, said = failure(compare, folders)
    assert code == 2 and "different pictures under the same names (1, 2)" in said and "--preprocess" in said


def test_a_metric_that_only_some_have(results):
    results("one", {"1": 13}, rec_A={"1": 24})  # of a source of 20
    results("two", {"1": 13})
    compare("results/one/test_latest results/two/test_latest --metrics mae,rec")
    page = Path("results/comparison/index.html").read_text()
    assert re.findall(r"<(b|span)[^>]*>([\d.-]+)</\1>", page) == [
        ("b", "3.000"), ("span", "4.000"), ("b", "3.000"), ("span", "-")]  # as good as each other; best of one is none


def test_sizes_that_differ_are_told(results, capsys):
    results("one", {"1": 1})
    results("two", {"1": 2}, size=8)
    compare("results/one/test_latest results/two/test_latest --cell 8")
    assert "note: the methods were given pictures of different sizes (1)" in capsys.readouterr().out
    assert grays() == [[20, 1, 2, 10]]


def test_nothing_in_common(results, failure):
    results("one", {str(number): 1 for number in range(10, 20)})
    results("two", {"1": 1, "sub/3": 3})
    code, said = failure(compare, "results/one/test_latest results/two/test_latest")
    assert code == 2 and "no input in common" in said
    assert "results/one/test_latest has 10, 11, 12, 13, 14 and 5 more" in said
    assert "results/two/test_latest has 1, sub/3" in said
    assert not Path("results/comparison").exists()


@pytest.mark.parametrize("line, message", [
    ("one", "there is only one to compare; give two or more"),
    ("one nothing", "nothing is neither a folder of results nor a run"),
    ("one two --titles Ours", "--titles has 1 (Ours) for 2 folders"),
    ("one two --fake fake_A", "one holds no fake_A with its input, only fake_B; --fake chooses the direction"),
    ("one two --fake fake_B,fake_B,fake_B", "--fake has 3"),
    ("one two --fake fake", "--fake 'fake' is no direction; expected fake_B or fake_A"),
    ("one two --names 1,5", "--names '5' is not among the 2 inputs that all methods have"),
    ("one two --metrics psnrr", "--metrics 'psnrr' is not known"),
    ("one two --title Ours,x", "--title is not an option here (did you mean --titles?)"),
    ("one two --name x", "--name: the folder of a run"),
    ("one two --output one", "--output one is one of the folders to compare"),
    ("one two --output one/names.json", "is a file; give a folder"),
    ("one two --output .", "--output . holds something else than a comparison; give another folder, or --overwrite"),
    ("one damaged", "damaged/names.json is damaged"),
    ("one evil", "evil/names.json is damaged (ValueError: '../../1' is no file in images/); run test.py again"),
    ("one lost", "lost/images/2_fake_B.png cannot be read (No such file or directory); run test.py"),
])
def test_refusals(tmp_path, failure, line, message):
    for name in ("one", "two", "damaged", "evil", "lost"):
        write(Path(name), name, {"1": 1, "2": 2})
    Path("damaged/names.json").write_text('{"names": ["1"], "labels": 3}')
    Path("evil/names.json").write_text('{"names": ["../../1"], "labels": ["real_A", "fake_B", "real_B"]}')
    Path("lost/images/2_fake_B.png").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, said = failure(compare, line)
    assert code == 2 and said.startswith("error: ") and message in said
    if "lost" not in line:
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_earlier_comparison_is_replaced_and_nothing_else(results):
    for name, gray in (("one", 1), ("two", 2), ("three", 3)):
        results(name, {"1": gray, "2": gray})
    folder = Path("results/comparison")
    compare("results/one/test_latest results/two/test_latest")
    (folder / "images" / "two" / "mine.png").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    Path("precious.png").write_text("precious")
    comparison = record()
    comparison["files"] += ["../../precious.png", str(Path("precious.png").resolve()), "a\0b"]
    (folder / "comparison.json").write_text(json.dumps(comparison))
    compare("results/one/test_latest results/three/test_latest")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        *(f"images/{column}/{name}.png" for column in ("input", "one", "three", "ground_truth") for name in "12"),
        "images/two/mine.png", "notes.txt", "index.html", "comparison.png", "comparison.json"}
    assert Path("precious.png").read_text() == "precious"


def test_overwrite_writes_among_what_is_there(results, failure):
    for name in ("one", "two"):
        results(name, {"1": 1})
    folder = Path("mine")
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "1.png").write_text("mine")
    (folder / "comparison.json").write_text('{"kind": "mine"}')
    line = "results/one/test_latest results/two/test_latest --output mine"
    assert failure(compare, line)[0] == 2 and not (folder / "index.html").exists()
    compare(f"{line} --overwrite")
    compare(line)  # it is a comparison now
    assert (folder / "images" / "1.png").read_text() == "mine" and (folder / "index.html").exists()


@pytest.mark.slow
def test_hostile_names(tmp_path):
    image = "<img src=x onerror=alert(1)> ü&#60; \n\"'"
    name = "</style><script>alert(2)</script>"
    for number, title in ((1, name), (2, "../../evil")):
        write(Path(f"r{number}"), title, {image: number, "%2e": 9})
    compare("r1 r2 --output c --row_names")
    assert {path.name for path in tmp_path.iterdir()} == {"r1", "r2", "c", "numbers.json"}
    with chromium(tmp_path / "profile") as browser:
        browser.open(Path("c/index.html"))
        assert browser.texts(".row h2") == [image, "%2e"]
        assert browser.texts(".headings h2") == ["Input", name, "../../evil", "Ground truth"]
        assert browser.load_images() == []
        browser.assert_quiet_and_local()


@pytest.mark.slow
def test_results_of_other_inputs_are_kept_and_the_advice_works(trained, dataroot, failure):
    trained("--model pix2pix")
    line = f"checkpoints/run checkpoints/run --dataroot {dataroot} --num_threads 0 --gpu_ids -1 --cell 32"
    compare(line)
    there = Path("results/run/test_latest/test_opt.json")
    before = there.read_bytes()
    for flags in ("--direction BtoA", "--direction BtoA --overwrite"):
        code, said = failure(compare, f"{line} {flags}")
        assert code == 2 and "holds the results of --direction AtoB (now BtoA). --results_dir with another" in said
        assert there.read_bytes() == before
    compare(f"{line} --direction BtoA --results_dir here")
    assert json.loads(Path("here/run/test_latest/test_opt.json").read_text())["direction"]["value"] == "BtoA"
    assert there.read_bytes() == before


@pytest.mark.slow
def test_a_run_and_its_other_epoch(trained, dataroot, capsys, tmp_path):
    import torch

    run = trained("--model pix2pix")
    weights = torch.load(run / "latest_net_G.pth", weights_only=True)
    torch.save({key: value * 2 for key, value in weights.items()}, run / "7_net_G.pth")
    flags = f"--dataroot {dataroot} --num_threads 0 --gpu_ids -1 --eval --cell 32"
    evaluate.main(["compare", "checkpoints/run", "checkpoints/run", *flags.split(), "--epoch", "7"])
    assert titles() == ["run test_7", "run test_7_2"]
    assert capsys.readouterr().out.count("page: results/run/test_7") == 1
    compare(f"checkpoints/run results/run/test_7 {flags} --titles latest,7")
    said = capsys.readouterr().out
    assert "note" not in said
    images = Path("results/comparison/images")
    for column, folder in (("latest", "test_latest"), ("7", "test_7")):
        for name in "1234":
            assert (read_pixels(images / column / f"{name}.png")
                    == read_pixels(Path("results/run", folder, "images", f"{name}_fake_B.png"))).all()
    assert errors() == pytest.approx({title: np.mean([
        np.abs(read_pixels(images / title / f"{name}.png").astype(float)
               - read_pixels(dataroot / "test" / f"{name}.png")[:, 32:]).mean() for name in "1234"])
        for title in ("latest", "7")}, rel=1e-5)
    assert errors()["latest"] != errors()["7"]

    page = Path("results/run/test_latest/names.json")
    for line, anew in ((flags, False), (f"{flags} --num_test 2", False), (flags.replace("--eval", ""), True)):
        before = page.stat().st_mtime_ns
        compare(f"checkpoints/run results/run/test_7 {line}")
        assert (page.stat().st_mtime_ns != before) == anew
        assert ("which is used" in capsys.readouterr().out) != anew
    save_again = (run / "latest_net_G.pth").read_bytes()
    (run / "latest_net_G.pth").write_bytes(save_again)  # newer than the results
    compare(f"checkpoints/run results/run/test_7 {flags.replace('--eval', '')}")
    assert page.stat().st_mtime_ns != before and "which is used" not in capsys.readouterr().out


def test_what_test_py_made_is_used(trained, translate, dataroot, capsys):
    trained("--model template")
    shutil.copytree("checkpoints/run", "checkpoints/group/maps")
    options = json.loads(Path("checkpoints/run/train_opt.json").read_text())
    options["name"]["value"] = "group/maps"
    Path("checkpoints/group/maps/train_opt.json").write_text(json.dumps(options))
    translate("")
    capsys.readouterr()
    line = f"checkpoints/run checkpoints/group/maps --dataroot {dataroot} --num_threads 0 --gpu_ids -1"
    compare(line)
    said = capsys.readouterr().out
    assert "note: results/run/test_latest holds what test.py made of run on " in said
    assert "page: results/group/maps/test_latest/index.html" in said and titles() == ["run", "group/maps"]
    compare(line)
    assert capsys.readouterr().out.count("which is used") == 2


def test_a_translation_is_not_written_over(trained, dataroot, failure):
    trained("--model template")
    results, flags = "results/run/test_latest", f"--dataroot {dataroot} --num_threads 0 --gpu_ids -1"
    code, said = failure(compare, f"checkpoints/run checkpoints/run {flags} --output {results}")
    assert code == 2 and f"--output {results} is one of the folders to compare" in said
    assert not Path(results, "comparison.json").exists()


def test_runs_whose_results_would_be_the_same_folder(trained, dataroot, failure):
    run = trained("--model template")
    shutil.copytree(run, "elsewhere/run")
    flags = f"--dataroot {dataroot} --num_threads 0 --gpu_ids -1"
    code, said = failure(compare, f"checkpoints/run elsewhere/run {flags}")
    assert code == 2 and "/checkpoints/run and " in said and "/elsewhere/run go to results/run/test_latest;" in said
    assert not Path("results").exists()
    code, said = failure(compare, f"checkpoints/run elsewhere/run {flags} --no_such_flag 3")
    assert code == 2 and "--no_such_flag is not an option here" in said
    code, said = failure(compare, "checkpoints/run elsewhere/run")
    assert code == 2 and "--dataroot is missing" in said
