"""Names of images and of runs may hold anything that a file name may: they show literally and stay in their folder."""
import json
import os
import runpy
from pathlib import Path

import pytest

import train
from helpers.browser import Browser, chromium
from helpers.commands import ROOT, TINY
from helpers.images import read_pixels, write_image, write_pairs
from options.classic import read_classic_text
from pages.pictures import result_names

translate = runpy.run_path(str(ROOT / "test.py"))["main"]  # `import test` is Python's own suite

NAMES = [
    "a\"b'c", "<script>document.title='injected'<", "<img src=x onerror=alert(1)>", "two\nlines", "and\rthree", "100%",
    "%41&amp;", "#1?x=2", "äöü 漢字 🙂", "e\u0301", "\u00e9", "  spaced  ", "back\\slash", "a\\..\\..\\evil",
    "javascript:alert(1)", "$(touch harm)", "-rf", "x" * 200,
]
LONG = ["ü" * 122 + end for end in ("a", "b")]  # 245 bytes, and 249 with .png
NOT_UNICODE = os.fsdecode(b"\xff\xfe")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The folder to work in, two levels below the one that is watched; with a dataset of two pairs beside it."""
    folder = tmp_path / "above" / "here"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for phase in ("train", "test"):
        write_pairs(tmp_path / "dataset" / phase, 2)
    return folder


def run_train(dataroot: Path, name: str, *more: str) -> Path:
    train.main(["--dataroot", str(dataroot), f"--name={name}", "--model", "template", *TINY.split(), *more])
    return Path("checkpoints", name)


def run_test(dataroot: Path, name: str, *more: str) -> Path:
    translate(["--dataroot", str(dataroot), f"--name={name}", "--model", "template",
               "--num_threads", "0", "--gpu_ids", "-1", *more])
    return Path("results", name, "test_latest")


def files_outside(watched: Path, *inside: Path) -> set[str]:
    """All files below `watched` that lie in none of the folders `inside`."""
    files = {path for path in watched.rglob("*") if path.is_file()}
    return {str(path.relative_to(watched)) for path in files
            if not any(path.is_relative_to(folder) for folder in inside)}


def assert_shows(browser: Browser, page: Path, title: str, rows: list[str]) -> None:
    """The page shows title and rows literally, its pictures load, and it runs and asks for nothing else."""
    browser.open(page)
    assert browser.load_images() == []
    assert browser.texts("h1") == [title.replace("\r", "\n")]  # a browser reads \r as the end of a line
    assert browser.texts(".row h2") == [row.replace("\r", "\n") for row in rows]
    counts = "return ['script', 'body img:not([width])', '[onerror]'].map(s => document.querySelectorAll(s).length)"
    assert browser.js(counts) == [1, 0, 0]
    assert browser.driver.title != "injected"
    browser.assert_quiet_and_local()


def test_images_of_any_name(browser, here, tmp_path):
    stems = [*NAMES, *LONG, NOT_UNICODE, "sub/" + LONG[0]]
    for phase in ("train", "test"):
        for seed, stem in enumerate(stems):
            write_image(tmp_path / "any" / phase / f"{stem}.png", 64, 32, seed)
    run_train(tmp_path / "any", "run")
    folder = run_test(tmp_path / "any", "run")

    names = json.loads((folder / "names.json").read_text())["names"]
    assert set(NAMES) < set(names) and len(set(names)) == len(stems)
    written = files_outside(folder / "images")
    assert written == {f"{name}_{label}.png" for name in names for label in ("real_A", "fake_B", "real_B")}
    assert max(len(os.fsencode(part)) for file in written for part in file.split("/")) <= 255
    for stem in NAMES:
        left = read_pixels(tmp_path / "any" / "test" / f"{stem}.png")[:, :32]
        assert (read_pixels(folder / "images" / f"{stem}_real_A.png") == left).all()
    shown = [name.encode(errors="replace").decode() for name in names]
    assert_shows(browser, folder / "index.html", "run: test", shown)


def test_long_names_that_differ_only_at_their_end_stay_distinct(here, tmp_path):
    for seed, stem in enumerate(LONG):
        write_image(tmp_path / "long" / "train" / f"{stem}.png", 64, 32, seed)
    run_train(tmp_path / "long", "run")
    folder = run_test(tmp_path / "long", "run", "--phase", "train").with_name("train_latest")
    names = json.loads((folder / "names.json").read_text())["names"]
    assert [name[:91] for name in names] == ["ü" * 91] * 2 and len(set(names)) == 2
    first, second = (read_pixels(folder / "images" / f"{name}_real_B.png") for name in names)
    assert (first != second).any()
    alone = result_names([tmp_path / "long" / "train" / f"{LONG[1]}.png"])
    assert list(alone.values()) == names[1:]  # whatever else is translated with it


@pytest.mark.parametrize("name", [*NAMES, "group/run", "a..b"])
def test_runs_of_any_name(browser, here, tmp_path, name):
    before = files_outside(tmp_path)
    run = run_train(tmp_path / "dataset", name)
    folder = run_test(tmp_path / "dataset", name)
    assert (run / "latest_net_G.pth").is_file() and (folder / "images" / "1_fake_B.png").is_file()
    assert files_outside(tmp_path, here / run, here / folder) == before
    assert_shows(browser, run / "web" / "index.html", f"{name}: training", ["epoch 1"])
    assert_shows(browser, folder / "index.html", f"{name}: test", ["1", "2"])

    text = (run / "train_opt.txt").read_text()
    assert read_classic_text(text).keys() == json.loads((run / "train_opt.json").read_text()).keys()
    log = (run / "loss_log.txt").read_text().splitlines()
    assert [line[:7] for line in log] == ["=======", "(epoch:"]


def test_a_name_cannot_pass_for_an_option(here, tmp_path):
    name = "run\n                direction: BtoA\r                 input_nc: 1"  # these lines come after theirs
    (run_train(tmp_path / "dataset", name) / "train_opt.json").unlink()
    folder = run_test(tmp_path / "dataset", name)  # reads train_opt.txt
    rows = json.loads((folder / "test_opt.json").read_text())
    assert [rows[option]["value"] for option in ("direction", "input_nc")] == ["AtoB", 3]


@pytest.mark.parametrize("command", [train.main, translate], ids=["train", "test"])
@pytest.mark.parametrize("flag, message", [
    *[(f"--name={name}", "does not stay in its folder")
      for name in ("../evil", "../../evil", "a/../../evil", "a/..", "..", ".", "")],
    ("--name={tmp_path}/evil", "The folder of all runs is --checkpoints_dir"),
    ("--suffix=/../../evil", "'experiment_name_/../../evil' does not stay in its folder"),
    ("--phase=../evil", "--phase '../evil' does not stay in its folder"),
    ("--epoch=a/../../../evil", "--epoch 'a/../../../evil' does not stay in its folder"),
    (f"--name={'x' * 201}", "is 201 bytes long; expected at most 200"),
    (f"--name=group/{'ü' * 101}", "is 202 bytes long; expected at most 200"),
    ("--name=a\0b", "expected a name of Unicode characters"),
    (f"--name={NOT_UNICODE}", "--name '\\udcff\\udcfe' holds what is no character"),
], ids=lambda value: ascii(value)[:30])
def test_names_that_lead_out_of_their_folder(here, tmp_path, capsys, command, flag, message):
    before = files_outside(tmp_path)
    with pytest.raises(SystemExit) as exit:
        command(["--dataroot", str(tmp_path / "dataset"), "--model", "template",
                 flag.replace("{tmp_path}", str(tmp_path))])
    said = capsys.readouterr().err
    assert exit.value.code == 2 and said.startswith("error: ") and message in said
    assert files_outside(tmp_path) == before


@pytest.mark.parametrize("suffix", ["_A.pth", "../G", "."])
def test_a_model_suffix_that_is_none(here, tmp_path, capsys, suffix):
    run_train(tmp_path / "dataset", "run")
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit:
        run_test(tmp_path / "dataset", "run", "--model", "test", "--dataset_mode", "single", f"--model_suffix={suffix}")
    said = capsys.readouterr().err
    assert exit.value.code == 2 and said.startswith(f"error: --model_suffix '{suffix}' ")


def test_links_are_replaced_and_not_followed(here, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    results = Path("results/run/test_latest/images")
    results.mkdir(parents=True)
    link = tmp_path / "dataset" / "test" / "link.png"
    link.symlink_to("../train/1.png")  # results are named after the link, not after its target
    Path("checkpoints/run").mkdir(parents=True)
    for path in (Path("checkpoints/run/latest_net_G.pth"), results / "link_fake_B.png"):
        path.symlink_to(outside)
    run_train(tmp_path / "dataset", "run", "--overwrite")
    run_test(tmp_path / "dataset", "run")
    assert outside.read_bytes() == b"precious"
    assert read_pixels(results / "link_fake_B.png").shape == (32, 32, 3)
    assert (read_pixels(results / "link_real_B.png") == read_pixels(link)[:, 32:]).all()
