"""The dataset doctor: nothing to say of a good set, and each finding where it is provoked, and no other."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from helpers.commands import ROOT
from helpers.several import ranks

sys.path.insert(0, str(ROOT / "datasets"))  # as for a script that is run from there
import check

from data.alike import near_groups, near_pairs
from data.picture_facts import examine as examine_file
from data.picture_facts import picture_facts
from data.report import Report
from data.scaled import ImageFile
from helpers.browser import chromium

COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (220, 220, 40)]
SIZES = ["--netG", "resnet_6blocks", "--load_size", "64", "--crop_size", "64"]


def scene(seed: int, side: int = 64) -> tuple[Image.Image, Image.Image]:
    """Boxes seen twice: a photo with shades and grain, and their labels."""
    rng = np.random.default_rng(seed)
    photo, labels = Image.new("RGB", (64, 64), (120, 110, 100)), Image.new("RGB", (64, 64))
    for colour in COLOURS:
        left, top = (int(value) for value in rng.integers(0, 48, 2))
        box = (left, top, left + int(rng.integers(8, 30)), top + int(rng.integers(8, 30)))
        ImageDraw.Draw(photo).rectangle(box, tuple(int(value) for value in rng.integers(0, 256, 3)))
        ImageDraw.Draw(labels).rectangle(box, colour)
    pixels = np.asarray(photo, float) + np.linspace(-25, 25, 64)[:, None] + rng.normal(0, 6, (64, 64, 3))
    photo = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return photo.resize((side, side)), labels.resize((side, side), Image.Resampling.NEAREST)


def save(image: Image.Image, path: Path, **options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def save_pair(A: Image.Image, B: Image.Image, path: Path) -> Path:
    pair = Image.new("RGB", (A.width + B.width, A.height))
    pair.paste(A, (0, 0))
    pair.paste(B, (A.width, 0))
    return save(pair, path)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """The same scenes as pairs side by side, as pairs in two folders, and as two piles."""
    root = tmp_path_factory.mktemp("good")
    for number in range(20):
        split, (A, B) = ("test" if number >= 18 else "train"), scene(number)
        save_pair(A, B, root / f"beside/{split}/{number}.png")
        for side, image in (("A", A), ("B", B)):
            save(image, root / f"folders/{split}/{side}/{number}.png")
            save(scene(number + 100 * (side == "B"))[0], root / f"piles/{split}{side}/{number}.png")
    return root


@pytest.fixture
def sets(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "sets"))


def examine(root: Path, *words: str) -> Report:
    return check.examined(*check.parser().parse_known_args(["--dataroot", str(root), *SIZES, *words]))


def found(report: Report) -> list[tuple[str, str]]:
    return [(finding.severity, finding.kind) for finding in report.findings]


def files(report: Report, root: Path) -> set[tuple[str, ...]]:
    return {tuple(path.relative_to(root).as_posix() for path in group)
            for finding in report.findings for group in finding.files}


@pytest.mark.parametrize("name, mode, layout", [
    ("beside", "aligned", "pairs A|B side by side"), ("folders", "aligned", "pairs in two folders"),
    ("piles", "unaligned", "two piles of images without pairs")])
def test_of_a_good_set_nothing_is_said_but_what_it_holds(good, name, mode, layout):
    report = examine(good / name)
    assert found(report) == [] and report.worst == ""
    assert (report.dataset_mode, report.layout) == (mode, layout)
    train, test = report.splits["train"], report.splits["test"]
    assert (train.samples, test.samples) == (18, 2)
    for side in "AB":
        facts = train.sides[side]
        assert (facts.images, facts.sizes, facts.modes) == (18, {"64x64": 18}, {"RGB with 8 bits": 18})
        assert test.sides[side].formats == {"PNG": 2}


def copy(here: str, there: str):
    return lambda root: shutil.copy(root / here, root / there)


def swap(root: Path) -> None:
    save_pair(*scene(3)[::-1], root / "train/3.png")


def mismatch(root: Path) -> None:
    save_pair(scene(3)[0], scene(77)[1], root / "train/3.png")


def same_input(root: Path) -> None:
    photo, labels = scene(3)
    save_pair(photo, Image.merge("RGB", labels.split()[::-1]), root / "train/3_again.png")


def cut_off(path: str):
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:-30])


def recompressed(here: str, there: str):
    def spoil(root: Path) -> None:
        image = Image.open(root / here).convert("RGB")
        save(image.resize((image.width * 5 // 4, image.height * 5 // 4)), root / there, quality=75)
    return spoil


def resized(path: str, side: int, color: str = "RGB"):
    return lambda root: save(Image.open(root / path).resize((side, side)).convert(color), root / path)


SPOILT = [
    ("beside", cut_off("train/3.png"), ("error", "unreadable"), {("train/3.png",)}),
    ("beside", copy("train/3.png", "train/x.png"), ("warning", "duplicates"), {("train/3.png", "train/x.png")}),
    ("piles", copy("trainB/3.png", "trainB/x.png"), ("warning", "duplicates"), {("trainB/3.png", "trainB/x.png")}),
    ("beside", copy("train/3.png", "test/x.png"), ("warning", "leakage"), {("train/3.png", "test/x.png")}),
    ("piles", copy("trainA/3.png", "testA/x.png"), ("warning", "leakage"), {("trainA/3.png", "testA/x.png")}),
    ("piles", copy("trainA/3.png", "trainB/x.png"), ("warning", "both_piles"), {("trainA/3.png", "trainB/x.png")}),
    ("piles", recompressed("trainA/3.png", "trainA/x.jpg"), ("note", "near_duplicates"),
     {("trainA/3.png", "trainA/x.jpg")}),
    ("piles", recompressed("trainA/3.png", "testA/x.jpg"), ("warning", "near_leakage"),
     {("testA/x.jpg", "trainA/3.png")}),
    ("beside", swap, ("warning", "swapped"), {("train/3.png",)}),
    ("beside", mismatch, ("warning", "unrelated"), {("train/3.png",)}),
    ("beside", same_input, ("warning", "same_A"), {("train/3.png", "train/3_again.png")}),
    ("folders", lambda root: (root / "train/B/3.png").unlink(), ("warning", "no_partner"), {("train/A/3.png",)}),
    ("folders", resized("train/B/3.png", 80), ("warning", "pair_sizes"), {("train/A/3.png", "train/B/3.png")}),
    ("piles", resized("trainA/3.png", 50), ("warning", "small"), {("trainA/3.png",)}),
    ("piles", resized("trainA/3.png", 64, "L"), ("warning", "gray_among_colour"), {("trainA/3.png",)}),
    ("piles", lambda root: save(scene(3)[0].resize((96, 64)), root / "trainA/3.png"), ("note", "squeezed"),
     {("trainA/3.png",)}),
    ("piles", resized("trainA/3.png", 64, "RGBA"), ("note", "transparent"), {("trainA/3.png",)}),
    ("piles", lambda root: [shutil.rmtree(root / f"test{side}") for side in "AB"], ("note", "no_test"), set()),
    ("piles", lambda root: [shutil.rmtree(root / f"train{side}") for side in "AB"], ("error", "no_training"), set()),
]
BESIDES = {"gray_among_colour": {("note", "mixed_modes")}, "transparent": {("note", "mixed_modes")},
           "mixed_modes": set()}


@pytest.mark.parametrize("name, spoil, expected, groups", SPOILT, ids=[f"{row[0]}-{row[2][1]}" for row in SPOILT])
def test_what_is_wrong_is_found_and_nothing_else(sets, name, spoil, expected, groups):
    spoil(sets / name)
    report = examine(sets / name)
    assert set(found(report)) - BESIDES.get(expected[1], set()) == {expected}
    assert files(report, sets / name) == groups
    if not expected[1].startswith("no_te"):
        assert report.findings[0].advice


def test_noise_of_a_sensor_is_none_of_jpeg_and_two_bands_are_not_gray(tmp_path):
    rng = np.random.default_rng(0)
    for place in (tmp_path / split / side / f"{number}.npy" for split in ("train", "test") for side in "AB"
                  for number in range(2)):
        place.parent.mkdir(parents=True, exist_ok=True)
        values = rng.normal(300, 12, (64, 64, 2)) + 3700 * (rng.random((64, 64, 1)) < 0.02)  # dark, few bright specks
        np.save(place, values.clip(0, 4095).astype(np.uint16))
    kinds = {kind for _, kind in found(examine(tmp_path, "--input_nc", "2", "--output_nc", "2", "--no_near"))}
    assert kinds.isdisjoint({"noisy_labels", "all_gray"})


def test_near_copies_are_not_looked_for_when_not_asked(sets):
    recompressed("trainA/3.png", "trainA/x.jpg")(sets / "piles")
    assert found(examine(sets / "piles", "--no_near")) == []


@pytest.mark.parametrize("mode, besides", [("RGB", set()), ("L", {("note", "all_gray")})])
def test_labels_saved_as_jpeg_are_told_from_photos_saved_as_jpeg(sets, mode, besides):
    for path in (sets / "folders").rglob("*.png"):
        save(Image.open(path).convert(mode), path.with_suffix(".jpg"), quality=85)
        path.unlink()
    report = examine(sets / "folders")
    assert set(found(report)) - besides == {("warning", "noisy_labels")}
    assert report.findings[0].text.startswith(
        "the images of B look like label pictures of few colours, saved as JPEG; "
        "20 of 20 have noise in their flat areas, as JPEG leaves it")


def test_noise_of_jpeg_in_lossless_labels_is_found_and_smoothed_edges_are_none(sets):
    files = sorted((sets / "folders").rglob("B/*.png"))
    for number, path in enumerate(files):
        save(smoothed(number), path)
        assert picture_facts(Image.open(path)).grain < 0.02
        assert len(np.unique(np.asarray(Image.open(path)).reshape(-1, 3), axis=0)) > 64
    assert ("warning", "noisy_labels") not in found(examine(sets / "folders"))
    for path in files:
        saved = save(Image.open(path), path.with_suffix(".jpg"), quality=95)
        save(Image.open(saved), path)
        saved.unlink()
    texts = {finding.kind: finding.text for finding in examine(sets / "folders").findings}
    assert texts["noisy_labels"].endswith("few colours; 20 of 20 have noise in their flat areas, as JPEG leaves it")


def smoothed(seed: int) -> Image.Image:
    """Labels with round shapes and antialiased edges."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (256, 256))
    for colour in COLOURS:
        left, top = (int(value) for value in rng.integers(0, 160, 2))
        ImageDraw.Draw(image).ellipse((left, top, left + 70, top + 90), colour)
    return image.resize((64, 64), Image.Resampling.BOX)


def test_all_gray_and_deep_images(sets):
    for path in (sets / "piles").glob("*A/*.png"):
        save(Image.fromarray(np.asarray(Image.open(path).convert("L")).astype(np.uint16) << 4), path)
    facts = examine_file(ImageFile(sets / "piles/trainA/3.png", (3,)))
    assert not facts.pictures[0].flat and facts.pictures[0].thumb.max() > 100  # not as dark as 12 bits of 16 would be
    report = examine(sets / "piles")
    assert report.splits["train"].sides["A"].modes == {"gray with 16 bits": 18}
    texts = {finding.kind: finding.text for finding in report.findings}
    assert texts.keys() == {"all_gray", "trainer"} and "0 to 4095 are black to white" in texts["trainer"]


def test_sizes_that_the_networks_or_the_trainer_refuse(sets):
    report = examine(sets / "piles", "--preprocess", "crop", "--crop_size", "80")
    assert found(report) == [("error", "refused")] * 2
    assert "give --pad reflect, --crop_size 64 or --preprocess resize_and_crop" in report.findings[0].text
    report = examine(sets / "beside", "--netG", "unet_256", "--crop_size", "60")
    assert {finding.text for finding in report.findings} == {
        f"{split}: images are resized to what the networks accept (multiples of 256, at least 256 pixels), for example "
        "60x60 to 256x256; --netG resnet_6blocks takes multiples of 4" for split in ("train", "test")}
    small = examine(sets / "piles", "--crop_size", "100", "--load_size", "110").findings[0]
    assert (small.kind, "--load_size 70 --crop_size 64" in small.advice) == ("small", True)
    assert small.advice.endswith("or continue them by their reflection, with --preprocess crop --pad reflect")
    padded = examine(sets / "piles", "--crop_size", "80", "--preprocess", "crop", "--pad", "reflect")
    assert "36 of 36 images are smaller than --crop_size 80 and padded" in padded.findings[0].text


def test_oblong_crops_have_their_own_proportions(sets):
    images = examine(sets / "piles", "--crop_size", "32,64", "--load_size", "40,80").findings
    assert {(finding.severity, finding.kind) for finding in images} == {("note", "squeezed")}
    assert "are not shaped like 80x40, such as" in images[0].text and "squeezes them to 80x40" in images[0].text


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_sides_are_called_as_their_folders(sets, direction):
    resized("trainB/3.png", 64, "L")(sets / "piles")
    texts = [finding.text for finding in examine(sets / "piles", "--direction", direction).findings]
    assert "1 of 20 images of B are gray, the others in colour" in texts


def test_folders_of_pairs_without_equal_names(sets):
    for path in (sets / "folders").glob("*/B/*"):
        path.rename(path.with_name(f"b{path.name}"))
    report = examine(sets / "folders")
    assert found(report) == [("error", "not_opened")] * 2 and report.splits == {}
    assert "train without pairs: --model cycle_gan" in report.findings[0].text


def test_one_pile_and_colour_images(good):
    report = examine(good / "piles/trainA")
    assert (report.layout, report.splits["all"].samples, found(report)) == ("one pile of images", 18, [])
    report = examine(good / "beside", "--model", "colorization", *SIZES)
    assert report.layout == "colour images" and report.splits["train"].sides.keys() == {"A"}


def test_hashes_of_many_are_compared_in_blocks(monkeypatch):
    monkeypatch.setattr("data.alike.ROWS", 3)
    monkeypatch.setattr("data.alike.COLUMNS", 4)
    pictures = [(picture_facts(scene(number)[0]),) for number in range(10)]
    units = [*pictures, pictures[2], pictures[9], pictures[2]]
    assert near_groups(units) == [[2, 10, 12], [9, 11]]
    assert near_pairs(units[10:], pictures) == [(0, 2), (1, 9), (2, 2)]
    blank = [(picture_facts(Image.new("RGB", (9, 9), colour)),) for colour in ("red", "blue", "red")]
    assert near_groups(blank) == near_pairs(blank, blank) == []


def leave(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        check.main([*map(str, words), *SIZES])
    return left.value.code


def test_exit_codes_and_what_is_printed(sets, tmp_path, capsys):
    root = sets / "piles"
    assert leave("--dataroot", root, "--strict") == 0
    assert capsys.readouterr().out.endswith("\n\nnothing was found\n")
    copy("trainA/3.png", "testA/x.png")(root)
    assert leave("--dataroot", root, "--json", tmp_path / "report.json") == 0
    out = capsys.readouterr().out
    assert ("warning: the same in several splits: 1 image\n"
            f"  {root}/trainA/3.png  {root}/testA/x.png\n  -> remove") in out
    assert out.endswith("\n1 warning\n")
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["worst"], report["splits"]["test"]["sides"]["A"]["images"]) == ("warning", 3)
    assert [finding["kind"] for finding in report["findings"]] == ["leakage"]
    assert leave("--dataroot", root, "--strict") == 1
    cut_off("trainB/4.png")(root)
    assert leave("--dataroot", root) == 1
    assert leave("--dataroot", root, "--skip_bad_images") == 0
    capsys.readouterr()
    assert leave("--dataroot", tmp_path / "nowhere") == 2
    assert "does not exist" in capsys.readouterr().err
    assert leave("--dataroot", root, "--crop_sizes", 3) == 2
    assert "did you mean --crop_size" in capsys.readouterr().err


def test_help_is_quick_and_tells_the_exit_codes():
    done = subprocess.run([sys.executable, ROOT / "datasets/check.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "Exit code 0 when a training would start" in done.stdout
    assert "--strict" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("forks")
def test_several_processes_find_the_same_and_end_on_ctrl_c(tmp_path):
    for number in range(80):
        save(scene(number)[0], tmp_path / f"pile/{number}.png")
    copy("3.png", "x.png")(tmp_path / "pile")
    reports = [examine(tmp_path / "pile", "--num_threads", count).as_dict() for count in ("1", "2")]
    assert reports[0] == reports[1] and [one["kind"] for one in reports[0]["findings"]] == ["duplicates"]
    large = save(scene(0, 1500)[0], tmp_path / "pile/large.png")
    for number in range(3000):
        os.link(large, tmp_path / f"pile/large{number}.png")
    code = ("import signal, sys; sys.path.insert(0, 'datasets'); import check\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it\n"
            f"check.main(['--dataroot', {str(tmp_path / 'pile')!r}, '--num_threads', '2'])")
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, start_new_session=True) as process:
        while len(ranks(process.pid)) < 2 and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)  # they look at images
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted") and "Traceback" not in err


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        yield window


def test_the_page_replaces_an_earlier_one_and_nothing_else(sets, tmp_path, capsys):
    root = sets / "beside"
    copy("train/3.png", "test/x.png")(root)
    assert leave("--dataroot", root, "--page") == 0
    page = sets / "beside_check/index.html"
    assert capsys.readouterr().out.endswith(f"page: {page}\n")
    pictures = {path.name for path in page.parent.glob("images/*")}
    assert {"0_0_0.png", "0_0_1.png", "train_0_A.png", "train_0_B.png", "test_2_B.png"} <= pictures
    assert np.asarray(Image.open(page.parent / "images/0_0_1.png")).shape == (64, 128, 3)
    assert json.loads((page.parent / "check.json").read_text())["findings"][0]["kind"] == "leakage"
    (root / "test/x.png").unlink()
    assert leave("--dataroot", root, "--page") == 0
    assert not (page.parent / "images/0_0_0.png").exists()
    mine = tmp_path / "mine"
    save(scene(1)[0], mine / "images/1.png")
    assert leave("--dataroot", root, "--page", mine) == 2
    assert "holds something else" in capsys.readouterr().err and [*mine.rglob("*.png")] == [mine / "images/1.png"]


@pytest.mark.slow
@pytest.mark.parametrize("width, scheme", [(400, "light"), (1280, "dark"), (2560, "light")])
def test_the_page_in_a_browser_suspicious_pairs_first(browser, sets, width, scheme):
    root = sets / "beside"
    swap(root)
    save_pair(*scene(5), root / "train/<b>&.png")
    with pytest.raises(SystemExit):
        check.main(["--dataroot", str(root), "--page", *SIZES])
    disable = "Emulation.setScriptExecutionDisabled"
    browser.view(width, 900, scheme)
    browser.driver.execute_cdp_cmd(disable, {"value": True})  # complete without
    browser.open(sets / "beside_check/index.html")
    browser.driver.execute_cdp_cmd(disable, {"value": False})
    assert browser.load_images() == []
    assert browser.texts(".section h2") == [
        "A and B swapped, as it seems, since A looks like the B of the others: 1 pair",
        "several times in one pile: 1 pair", "train: 12 of 19 samples", "test: 2 of 2 samples"]
    assert browser.texts(".row h2")[:2] == ["train/3.png", "train/5.png"]
    assert browser.texts(".row figcaption")[:3] == ["train/3.png", "train/5.png", "train/<b>&.png"]
    assert browser.texts(".findings li b") == ["warning", "warning"]
    assert len(browser.js("return [...document.querySelectorAll('.findings a')].filter("
                          "a => document.getElementById(a.hash.slice(1)))")) == 2
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    browser.assert_quiet_and_local()
