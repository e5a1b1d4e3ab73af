"""The pages: what is written to disk, and what Chromium makes of it."""

import itertools
import math
import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.browser import chromium
from pages.loss_curves import POINTS, Curve
from pages.results_page import ResultsPage
from pages.training_page import MOST_ROWS, TrainingPage
from util.files import write_atomically

NAMES = [
    "plain", "sub/a", "other/a", "a\"b'<script>alert(1)<", "<script>alert(2)<\\script>", "50% #1?.png",
    "%41&amp;#", "äöü 漢字", "two\nlines", "javascript:alert(3)", "x" * 200, " spaced  out ", "üñ" * 40,
]
FACTS = {"model": "cycle_gan", "options <b>&": "lambda_A 10, " * 60}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        window.view(1200, 900)
        yield window


def draw(path: Path, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((size, size), 100).save(path, "png")


def results(folder: Path, names: list[str], size: int = 8) -> Path:
    page = ResultsPage(folder, "<i>Results</i> & more", FACTS, image_width=96)
    for name in names:
        images = [(label, f"{name}_{label}.png") for label in ("real_A", "fake_B")]
        for _, file in images:
            draw(folder / "images" / file, size)
        page.add_row(name, images)
    return page.save()


def train(page: TrainingPage, epochs: range, save_every: int = 1) -> Path:
    """Five values of each loss and a row of pictures an epoch, the same for the same epoch."""
    for epoch in epochs:
        values = random.Random(epoch)
        for step in range(5):
            page.add_losses(epoch - 1 + step / 5, {"G_L1": 100 * values.random(), "D_real": values.random()})
        page.add_pictures(epoch, [(label, f"epoch{epoch:03d}_{label}.png") for label in ("real_A", "fake_B")])
        if epoch % save_every == 0:
            page.save()
    return page.save()


def training_page(folder: Path, resume: bool = False) -> TrainingPage:
    return TrainingPage(folder, "facades", FACTS, image_width=96, resume=resume)


def test_any_name_shows_literally_and_its_pictures_load(browser, tmp_path):
    browser.open(results(tmp_path, NAMES))
    assert browser.load_images() == []
    assert browser.texts("h2") == NAMES
    assert browser.js("return getComputedStyle(document.querySelector('h2')).whiteSpace") == "pre-wrap"
    assert browser.js("return [...document.images].every(i => i.parentNode.href === i.src && i.width === 96)")
    assert browser.texts("h1") == ["<i>Results</i> & more"] == [browser.driver.title]
    assert browser.texts("dt") == list(FACTS)
    assert browser.js("return document.querySelectorAll('script').length") == 1
    for width in (390, 1200):
        browser.view(width, 900)
        wide = "return [...document.querySelectorAll('html, h2, dd')].filter(e => e.scrollWidth > innerWidth)"
        assert browser.js(wide) == [], f"cut off at {width} pixels"
    browser.assert_quiet_and_local()


def test_a_file_name_that_is_not_unicode(tmp_path):
    file = os.fsdecode(b"\xff.png")
    page = ResultsPage(tmp_path, file, {}, 96)
    page.add_row(file, [(file, file)])
    assert b'href="images/%FF.png"' in page.save().read_bytes()


def test_filter_and_width(browser, tmp_path):
    browser.open(results(tmp_path, ["cat 1", "cat 2", "Dog 1"], size=100))
    assert browser.load_images() == []

    def choose(name, value):
        browser.js("const box = document.querySelector(arguments[0]); box.value = arguments[1];"
                   "box.dispatchEvent(new Event('input'))", f"[name={name}]", value)
        browser.js("return new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    choose("filter", "dog")
    assert browser.texts(".row:not([hidden]) h2") == ["Dog 1"]
    assert browser.js("return [...document.querySelectorAll('.row')].map(r => r.offsetHeight)")[:2] == [0, 0]
    assert browser.texts("[name=shown]") == ["1 of 3 rows"]
    choose("filter", "")
    assert len(browser.texts(".row:not([hidden])")) == 3

    shape = "const i = document.images[0]; return [i.width, getComputedStyle(i).imageRendering]"
    assert browser.js(shape) == [96, "auto"], "a picture of 100 pixels shown in 96 is smoothed"
    choose("width", 200)
    assert browser.js(shape) == [200, "pixelated"]
    browser.driver.refresh()
    assert browser.js(shape)[0] == 200, "the choice outlives a reload"


@pytest.mark.parametrize("labels, window, lines", [
    (6, 1700, [6]), (6, 1200, [3, 3]), (6, 900, [3, 3]), (6, 600, [2, 2, 2]), (8, 1200, [4, 4]), (8, 2300, [8]), (7, 1200, [4, 3]),
])
def test_the_two_directions_of_a_row_lie_below_each_other(browser, tmp_path, labels, window, lines):
    page = ResultsPage(tmp_path, "rows", {}, 256)
    page.add_row("row", [(f"label_{k}", f"{k}.png") for k in range(labels)])
    browser.view(window, 900)
    browser.open(page.save())
    tops = browser.js("return [...document.querySelectorAll('figure')].map(f => f.offsetTop)")
    browser.view(1200, 900)
    assert [len(list(line)) for _, line in itertools.groupby(tops)] == lines


def test_complete_without_script(browser, tmp_path):
    disable = "Emulation.setScriptExecutionDisabled"
    browser.driver.execute_cdp_cmd(disable, {"value": True})
    browser.open(results(tmp_path, ["a"]))
    browser.driver.execute_cdp_cmd(disable, {"value": False})
    assert browser.load_images() == []
    assert browser.js("return document.querySelector('.tools').offsetHeight") == 0


def test_two_thousand_rows(browser, tmp_path):
    page = ResultsPage(tmp_path, "many", {}, 96)
    for i in range(2000):
        page.add_row(f"image {i}", [(f"label_{k}", f"p{k}.png") for k in range(6)])
    for k in range(6):
        draw(tmp_path / "images" / f"p{k}.png")
    path = page.save()
    assert path.stat().st_size < 4e6
    browser.open(path)
    assert browser.js("return [document.querySelectorAll('.row').length, document.images.length]") == [2000, 12000]
    browser.assert_quiet_and_local()


def test_a_page_does_not_claim_that_its_training_still_runs(tmp_path):
    text = training_page(tmp_path).save().read_text()
    assert "Training was running when this page was written; it reloads every 30 s." in text
    assert "Training was running" not in training_page(tmp_path).save(running=False).read_text()


def test_training_page_in_the_browser(browser, tmp_path):
    page = training_page(tmp_path)
    for epoch, label in itertools.product(range(1, 4), ("real_A", "fake_B")):
        draw(tmp_path / "images" / f"epoch{epoch:03d}_{label}.png")
    page.add_losses(0.5, {"never": math.nan, "</b><script>alert(1)</script>": 1e308})
    page.add_losses(0.6, {"</b><script>alert(1)</script>": -1e308})
    path = train(page, range(1, 4))
    assert b'http-equiv="refresh"' in path.read_bytes()
    page.save(running=False)
    assert b'http-equiv="refresh"' not in path.read_bytes()
    for scheme, paper in ("light", "rgb(247, 247, 245)"), ("dark", "rgb(21, 24, 27)"):
        browser.view(1200, 900, scheme)
        browser.open(path)
        assert browser.js("return getComputedStyle(document.body).backgroundColor") == paper
    assert browser.load_images() == []
    assert browser.texts("h2") == ["epoch 3", "epoch 2", "epoch 1"]
    assert browser.texts(".chart b") == ["never", "</b><script>alert(1)</script>", "G_L1", "D_real"]
    sides = browser.js("""const boxes = [...document.querySelectorAll('polyline')].map(p => p.getBBox());
                          return boxes.flatMap(b => [b.width, b.height])""")
    assert len(sides) == 6 and all(0 < side < 320 for side in sides)
    drawings = browser.js("return [...document.querySelectorAll('svg')].map(s => s.outerHTML).join('')").lower()
    assert "nan" not in drawings and "inf" not in drawings
    browser.assert_quiet_and_local()


def test_a_curve_keeps_its_mean_in_few_points():
    curve, values = Curve(), random.Random(0)
    given = [(i / 100, values.gauss(0, 1)) for i in range(20_000)]
    for epoch, value in given:
        curve.add(epoch, value)
        assert len(curve.points) < POINTS
    assert curve.stride == 64 and len(curve.drawn()) == 313
    np.testing.assert_allclose(curve.points[5], np.mean(given[5 * 64:6 * 64], axis=0))
    np.testing.assert_allclose(curve.drawn()[-1], np.mean(given[312 * 64:], axis=0))
    curve.add(100, math.inf)
    assert curve.last == "inf" and curve.not_finite == 1
    assert curve.points[-1][0] < 100, "a run that went back forgets what came after"


def test_a_save_costs_the_same_however_long_the_run(tmp_path):
    page = training_page(tmp_path)
    files = [tmp_path / "index.html", tmp_path / "page.json"]

    def sizes(epochs):
        train(page, epochs, save_every=20)
        return [file.stat().st_size for file in files]

    early, late = sizes(range(1, 101)), sizes(range(101, 1001))
    assert all(after < 1.1 * before for before, after in zip(early, late)), (early, late)


def test_older_epochs_are_chained_and_written_once(tmp_path):
    page = training_page(tmp_path)
    train(page, range(1, 62))
    written = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.glob("epochs_*")}
    assert sorted(file.name for file in written) == ["epochs_0001-0020.html", "epochs_0021-0040.html"]
    newest = train(page, range(62, 80)).read_text()
    assert all((file.read_bytes(), file.stat().st_mtime_ns) == before for file, before in written.items())
    assert newest.count('class="row"') == 39 <= MOST_ROWS
    assert "Epochs 41–79" in newest and 'href="epochs_0021-0040.html"' in newest
    middle, oldest = ((tmp_path / f"epochs_{span}.html").read_text() for span in ("0021-0040", "0001-0020"))
    assert 'href="epochs_0001-0020.html"' in middle and middle.count('class="row"') == 20
    assert 'href="epochs_' not in oldest and 'href="index.html"' in oldest
    assert not list(tmp_path.glob(".*")), "no temporary file stays"


def test_a_row_is_replaced_and_a_run_that_goes_back_keeps_the_chain(tmp_path):
    page = training_page(tmp_path)
    train(page, range(1, 62))
    page.add_pictures(61, [("again", "again.png")])
    assert page.save().read_text().count("images/again.png") == 2
    train(page, range(15, 60))
    assert not any(epoch > 59 for epoch in page.rows)
    assert page.older == "epochs_0015-0034.html"
    assert 'href="epochs_0001-0020.html"' in (tmp_path / page.older).read_text()
    assert 'href="epochs_' not in (tmp_path / "epochs_0001-0020.html").read_text()


@pytest.mark.parametrize("stop", [3, 45, 110])
def test_resume_goes_on_as_if_never_stopped(tmp_path, stop):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(training_page(whole), range(1, 131), save_every=10)
    train(training_page(parts, resume=True), range(1, stop + 1), save_every=10)  # from nothing: silent
    train(training_page(parts, resume=True), range(stop + 1, 131), save_every=10)
    contents = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder in (whole, parts)]
    assert contents[0] == contents[1]
    assert training_page(parts, resume=False).rows == {}


@pytest.mark.parametrize("text", [
    "", "{", "[]", "3", "\xff", pytest.param("[" * 100_000, id="deep"), '{"curves": {}, "rows": []}',
    '{"curves": {"a": 2}, "rows": [], "older": null}',
    '{"curves": {}, "rows": [[1, [["label"]]]], "older": null}',
    '{"curves": {}, "rows": [], "older": "../x"}',
    '{"curves": {"a": {"points": [[0, NaN]], "stride": 1, "mean": [0, 0], "count": 0, "last": "", "not_finite": 0}},'
    ' "rows": [], "older": null}',
])
def test_a_damaged_state_starts_anew(tmp_path, text):
    (tmp_path / "page.json").write_text(text, encoding="latin-1")
    with pytest.warns(UserWarning, match="starts anew"):
        page = training_page(tmp_path, resume=True)
    assert (page.curves, page.rows, page.older) == ({}, {}, None)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "größe\n")
    assert path.read_bytes() == "größe\n".encode()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"other")
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]
    assert path.read_bytes() == "größe\n".encode()
