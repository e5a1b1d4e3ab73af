"""The pages: what Chromium makes of them."""
import itertools
import math
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from helpers.browser import chromium
from helpers.pages import FACTS, train, training_page
from pages.results_page import ResultsPage

NAMES = [
    "plain", "sub/a", "other/a", "a\"b'<script>alert(1)<", "<script>alert(2)<\\script>", "50% #1?.png",
    "%41&amp;#", "äöü 漢字", "two\nlines", "javascript:alert(3)", "x" * 200, " spaced  out ", "üñ" * 40,
]


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


CYCLE = "real_A fake_B rec_A real_B fake_A rec_B"
IDENTITY = "real_A fake_B rec_A idt_B real_B fake_A rec_B idt_A"
SAMPLES = "real_A fake_B fake_B_2 fake_B_3 fake_B_std real_B"


@pytest.mark.parametrize("labels, window, lines", [
    (CYCLE, 1700, [6]), (CYCLE, 1200, [3, 3]), (CYCLE, 900, [3, 3]), (CYCLE, 600, [3, 3]),
    (IDENTITY, 1200, [4, 4]), (IDENTITY, 2300, [8]), ("a b c d e f g", 1200, [4, 3]), (SAMPLES, 1200, [4, 2]),
])
def test_the_two_directions_of_a_row_lie_below_each_other(browser, tmp_path, labels, window, lines):
    page = ResultsPage(tmp_path, "rows", {}, 256)
    page.add_row("row", [(label, f"{label}.png") for label in labels.split()])
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
    browser.driver.execute_cdp_cmd("Performance.enable", {})
    browser.open(path)
    counted = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    assert next(one["value"] for one in counted if one["name"] == "LayoutCount") < 100  # not one for each picture
    browser.driver.execute_cdp_cmd("Performance.disable", {})
    assert browser.js("return [document.querySelectorAll('.row').length, document.images.length]") == [2000, 12000]
    browser.assert_quiet_and_local()


def test_a_page_does_not_claim_that_its_training_still_runs(tmp_path):
    text = training_page(tmp_path).save().read_text()
    assert "Training was running when this page was written; it reloads every 30 s." in text
    assert "Training was running" not in training_page(tmp_path).save(running=False).read_text()


def test_a_page_that_nobody_writes_to_stops_reloading(browser, tmp_path):
    path = training_page(tmp_path).save()
    for age, stops in ((60, False), (7200, True)):
        os.utime(path, (time.time() - age,) * 2)
        browser.open(path)
        (status,) = browser.texts(".status")
        assert ("it reloads no more: was the training killed?" in status) is stops


def test_only_the_strip_scrolls_sideways_and_its_input_stays(browser, tmp_path):
    page = training_page(tmp_path)
    for epoch in range(1, 13):
        page.add_losses(epoch, {"G": 1.0})
        page.add_samples(epoch, {"<b>1": [("real_A", "a.png"), ("fake_B", f"b{epoch}.png"), ("real_B", "c.png")]})
    browser.view(400, 900)
    browser.open(page.save(running=False))
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.js("const f = document.querySelector('.film'); return f.scrollWidth > f.clientWidth")
    left = "return document.querySelector('.film figure').getBoundingClientRect().left"
    before = browser.js(left)
    browser.js("document.querySelector('.film').scrollLeft = 300")
    assert browser.js(left) == before
    assert browser.texts(".film b") == ["input", *(f"epoch {epoch}" for epoch in range(1, 13)), "truth"]
    assert browser.texts(".sample h3") == ["<b>1"]
    browser.view(1200, 900)
    assert browser.js("const f = document.querySelector('.film'); return f.scrollWidth - f.clientWidth") == 0


def test_training_page_in_the_browser(browser, tmp_path):
    page = training_page(tmp_path)
    for epoch, label in itertools.product(range(1, 4), ("real_A", "fake_B")):
        draw(tmp_path / "images" / f"epoch{epoch:03d}_{label}.png")
    page.add_losses(0.5, {"never": math.nan, "</b><script>alert(1)</script>": 1e308})
    page.add_losses(0.6, {"</b><script>alert(1)</script>": -1e308})
    path = train(page, range(1, 4))
    assert b'data-reload="30"' in path.read_bytes()
    page.save(running=False)
    assert b'data-reload' not in path.read_bytes()
    for scheme, paper in ("light", "rgb(247, 247, 245)"), ("dark", "rgb(21, 24, 27)"):
        browser.view(1200, 900, scheme)
        browser.open(path)
        assert browser.js("return getComputedStyle(document.body).backgroundColor") == paper
    assert browser.load_images() == []
    assert browser.texts(".row h2") == ["epoch 3", "epoch 2", "epoch 1"]
    assert browser.texts(".chart b") == ["never", "</b><script>alert(1)</script>", "G_L1", "D_real"]
    sides = browser.js("""const boxes = [...document.querySelectorAll('polyline')].map(p => p.getBBox());
                          return boxes.flatMap(b => [b.width, b.height])""")
    assert len(sides) == 6 and all(0 < side < 320 for side in sides)
    drawings = browser.js("return [...document.querySelectorAll('svg')].map(s => s.outerHTML).join('')").lower()
    assert "nan" not in drawings and "inf" not in drawings
    browser.assert_quiet_and_local()
