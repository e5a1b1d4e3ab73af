"""Exploring a page of results in Chromium: order, columns, slider, zoom, links, with numbers and without a script."""
import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.browser import Browser, chromium
from pages.results_folder import Column, Results, add_numbers, write_folder

Keys = pytest.importorskip("selenium.webdriver", reason="NOT TESTED in a browser: selenium is not installed").Keys

pytestmark = pytest.mark.slow

COLOURS = {"real_A": (255, 0, 0), "fake_B": (0, 255, 0), "real_B": (0, 0, 255)}
COLUMNS = {"psnr": Column("higher", "20 [10, 30]"), "mae": Column("lower", "5"), "fid": Column("lower", "51.2")}
NUMBERS = {
    "town 10": {"psnr": 12.0, "mae": 9.5}, "town 9": {"psnr": math.inf, "mae": 0.0}, "Äpfel": {"mae": 10.0},
    "town 1": {"psnr": 9.25, "mae": 3.0},
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        window.view(1200, 900)
        yield window


def results(folder: Path, numbers: dict[str, dict[str, float]], labels: tuple[str, ...] = tuple(COLOURS),
            size: tuple[int, int] = (100, 80)) -> Path:
    """The page of rows with numbers; each label has a colour of its own."""
    for name in numbers:
        for label in labels:
            path = folder / "images" / f"{name}_{label}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, COLOURS.get(label, (9, 9, 9))).save(path)
    write_folder(folder, Results(list(labels), list(numbers), list(numbers), "maps: test", {"model": "none"}, 200))
    return add_numbers(folder, COLUMNS, numbers)


def choose(browser: Browser, name: str, value: str) -> None:
    """Set a control of the page as a user would."""
    browser.js("""const box = document.querySelector(arguments[0]);
                  box.value = arguments[1]; box.dispatchEvent(new Event('input', { bubbles: true }))""",
               f"[name={name}]", value)


def press(browser: Browser, *keys: str) -> None:
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)


def rows(browser: Browser) -> list[str]:
    return browser.texts(".row:not([hidden]) h2")


def pixels(browser: Browser) -> np.ndarray:
    """What the window shows, (H, W, 3)."""
    return np.array(Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB"))


def box(browser: Browser, selector: str) -> list[float]:
    """Left, top, width and height of the first element that a selector finds, in pixels of the window."""
    return browser.js("const r = document.querySelector(arguments[0]).getBoundingClientRect();"
                      "return [r.x, r.y, r.width, r.height]", selector)


def mouse(browser: Browser, kind: str, x: float, y: float, **more) -> None:
    """Something that a mouse does in the window."""
    browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **more})


@pytest.mark.parametrize("sort, order, expected", [
    ("as translated", "first", ["town 10", "town 9", "Äpfel", "town 1"]),
    ("as translated", "last", ["town 1", "Äpfel", "town 9", "town 10"]),
    ("name", "first", ["Äpfel", "town 1", "town 9", "town 10"]),
    ("name", "last", ["town 10", "town 9", "town 1", "Äpfel"]),
    ("metric psnr", "first", ["town 1", "town 10", "town 9", "Äpfel"]),
    ("metric psnr", "last", ["town 9", "town 10", "town 1", "Äpfel"]),
    ("metric mae", "first", ["Äpfel", "town 10", "town 1", "town 9"]),
    ("metric mae", "last", ["town 9", "town 1", "town 10", "Äpfel"]),
])
def test_rows_are_sorted_and_stay_so(browser, tmp_path, sort, order, expected):
    browser.open(results(tmp_path, NUMBERS))
    choose(browser, "sort", sort)
    choose(browser, "order", order)
    assert rows(browser) == expected
    browser.driver.refresh()
    assert rows(browser) == expected
    choose(browser, "filter", "TOWN")
    assert rows(browser) == [name for name in expected if name != "Äpfel"]
    assert browser.texts("[name=shown]") == ["3 of 4 rows"]
    browser.assert_quiet_and_local()


def test_a_summary_sorts_by_its_metric(browser, tmp_path):
    browser.open(results(tmp_path, NUMBERS))
    assert browser.texts(".summaries dt") == ["psnr", "mae", "fid"]
    assert browser.texts(".summaries button") == ["psnr", "mae"], "no row has an fid"
    buttons = browser.driver.find_elements("css selector", ".summaries button")
    buttons[0].click()
    assert rows(browser)[0] == "town 1" and browser.texts("[name=order] option") == ["worst first", "best first"]
    assert [button.get_attribute("aria-pressed") for button in buttons] == ["true", "false"]
    buttons[0].click()
    assert rows(browser)[0] == "town 9"


def test_numbers_stand_in_their_rows(browser, tmp_path):
    browser.open(results(tmp_path, NUMBERS))
    assert browser.texts(".numbers") == ["psnr 12mae 9.5", "psnr ∞mae 0", "psnr –mae 10", "psnr 9.25mae 3"]
    assert browser.texts(".summaries dd") == [
        "20 [10, 30]", "higher is better", "5", "lower is better", "51.2", "lower is better"]


def test_without_a_script_all_is_there(browser, tmp_path):
    disable = "Emulation.setScriptExecutionDisabled"
    browser.driver.execute_cdp_cmd(disable, {"value": True})
    browser.open(results(tmp_path, NUMBERS))
    browser.driver.execute_cdp_cmd(disable, {"value": False})
    assert browser.load_images() == []
    assert rows(browser) == list(NUMBERS) and len(browser.texts("figure")) == 12
    assert browser.texts(".row .numbers")[0] == "psnr 12mae 9.5"
    assert browser.js("return document.querySelector('.tools').offsetHeight") == 0
    assert browser.js("return document.querySelector('.pictures a').href").endswith("/images/town%2010_real_A.png")


def test_columns_are_chosen(browser, tmp_path):
    browser.open(results(tmp_path, NUMBERS))
    browser.driver.find_element("css selector", ".menu summary").click()
    for value in ("fake_B", "psnr"):
        browser.driver.find_element("css selector", f".menu [value={value}]").click()
    seen = """return [...document.querySelectorAll('.row:first-child :is(figure, .numbers span)')]
                     .filter(e => e.offsetWidth).map(e => e.textContent)"""
    assert browser.js(seen) == ["mae 9.5", "real_A", "real_B"]
    browser.driver.refresh()
    assert browser.js(seen) == ["mae 9.5", "real_A", "real_B"]
    browser.driver.find_element("css selector", ".pictures a").click()
    assert browser.texts("dialog figcaption") == ["real_A", "real_B"]


def test_the_slider_cuts_between_two_pictures_to_the_pixel(browser, tmp_path):
    browser.open(results(tmp_path, NUMBERS))
    choose(browser, "view", "slider")
    choose(browser, "left", "real_B")
    choose(browser, "right", "real_A")
    browser.load_images()
    browser.js("scrollTo(0, 0)")
    left, top, width, height = box(browser, ".split")
    assert (width, height) == (200, 160)
    middle = round(top + height / 2)
    for at in (20, 100, 150):
        for kind, x in ("mousePressed", 100), ("mouseMoved", at), ("mouseReleased", at):
            mouse(browser, kind, left + x, middle, button="left", clickCount=1)
        line = pixels(browser)[middle, round(left):round(left + width)]
        assert (line[:at - 2] == COLOURS["real_B"]).all() and (line[at + 3:] == COLOURS["real_A"]).all()
    other = browser.js("return getComputedStyle(document.querySelectorAll('.pictures')[1]).getPropertyValue('--split')")
    assert other.strip() == "50", "each row has a slider of its own"
    press(browser, Keys.ARROW_LEFT)
    assert browser.js("return Number(document.querySelector('.split').value)") < 75 and rows(browser) == list(NUMBERS)
    browser.driver.refresh()
    assert box(browser, ".split")[2] == 200, "the choice outlives a reload"
    browser.assert_quiet_and_local()


def test_zoom_shows_all_pictures_of_a_row_at_the_same_place(browser, tmp_path):
    page = results(tmp_path, NUMBERS)
    browser.open(page)
    browser.load_images()
    browser.driver.find_elements("css selector", ".row:nth-child(2) a")[2].click()
    assert browser.texts("dialog b") == ["town 9"] and browser.texts("dialog output") == ["2 of 4"]
    assert browser.texts("dialog .numbers") == ["psnr ∞mae 0"]
    files = [f"{(tmp_path / 'images').as_uri()}/town%209_{label}.png" for label in COLOURS]
    assert browser.js("return [...document.querySelectorAll('dialog img')].map(i => i.src)") == files
    places = """return [...document.querySelectorAll('.frame')].map(frame => {
        const f = frame.getBoundingClientRect(), i = frame.firstChild.getBoundingClientRect();
        return [i.x - f.x, i.y - f.y, i.width / f.width].map(n => Math.round(100 * n) / 100) })"""
    assert browser.js(places) == [[0, 0, 1]] * 3
    left, top, width, height = box(browser, ".frame")
    at = [round(left + width / 4), round(top + height / 2)]
    mouse(browser, "mouseWheel", *at, deltaX=0, deltaY=-500)
    browser.js("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    (x, y, scale), *others = browser.js(places)
    assert scale > 1.5 and others == [[x, y, scale]] * 2
    assert [x, y] == pytest.approx([(at[0] - left) * (1 - scale), (at[1] - top) * (1 - scale)], abs=2)
    press(browser, Keys.SHIFT + Keys.ARROW_LEFT)
    assert browser.js(places)[2][0] == pytest.approx(min(0, x + 64), abs=1)
    press(browser, "0")
    assert browser.js(places) == [[0, 0, 1]] * 3
    browser.assert_quiet_and_local()


def test_arrow_keys_walk_through_the_rows_as_they_are_sorted_and_filtered(browser, tmp_path):
    browser.open(results(tmp_path, NUMBERS))
    choose(browser, "sort", "name")
    choose(browser, "filter", "town")
    focused = "return document.activeElement.closest('.row')?.querySelector('h2').textContent"
    browser.js("document.activeElement.blur()")
    for key, row in ((Keys.ARROW_RIGHT, "town 1"), (Keys.ARROW_RIGHT, "town 9"), (Keys.ARROW_RIGHT, "town 10"),
                     (Keys.ARROW_RIGHT, "town 10"), (Keys.ARROW_LEFT, "town 9")):
        press(browser, key)
        assert browser.js(focused) == row
    press(browser, Keys.ENTER)
    for key, row in ((Keys.ARROW_DOWN, "town 10"), (Keys.ARROW_RIGHT, "town 10"), (Keys.ARROW_UP, "town 9"),
                     (Keys.ARROW_LEFT, "town 1")):
        press(browser, key)
        assert browser.texts("dialog[open] b") == [row]
    browser.driver.find_element("name", "on").click()
    assert browser.texts("dialog[open] b") == ["town 9"]
    press(browser, Keys.ESCAPE)
    assert browser.texts("dialog[open]") == [] and browser.js(focused) == "town 9", "where the walk has ended"
    browser.driver.find_element("name", "filter").send_keys(Keys.ARROW_RIGHT)
    assert browser.js("return document.activeElement.name") == "filter", "keys of a text are the text's"


HOSTILE = ["sub/a b", "#1?x=2", "50% &amp;\"'<b>", "%41", "A", "ü 漢"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_link_leads_to_its_row(browser, tmp_path, name):
    page = results(tmp_path, {name: {} for name in HOSTILE}, ("fake_B",))
    browser.open(page)
    choose(browser, "filter", "no row has this name")
    link = browser.js("return document.querySelectorAll('.anchor')[arguments[0]].href", HOSTILE.index(name))
    browser.js("location.href = arguments[0]", link)
    browser.js("return new Promise(done => setTimeout(done))")
    assert browser.texts(".row:target:not([hidden]) h2") == [name]
    browser.driver.get("about:blank")
    browser.driver.get(link)
    assert browser.texts(".row:target h2") == [name]
    browser.assert_quiet_and_local()


CYCLE = ("real_A", "fake_B", "rec_A", "real_B", "fake_A", "rec_B")


@pytest.mark.parametrize("labels, window, across, width", [
    (tuple(COLOURS), 2560, 3, 200), (CYCLE, 2560, 3, 200), (tuple(COLOURS), 700, 1, 200), (CYCLE, 640, 1, 191),
    (CYCLE, 400, 1, 113), (tuple(COLOURS), 400, 1, 113),
])
def test_wide_windows_are_filled_and_narrow_ones_keep_a_direction_in_one_line(
        browser, tmp_path, labels, window, across, width):
    browser.view(window, 900)
    browser.open(results(tmp_path, {str(number): {"mae": 1.0} for number in range(12)}, labels))
    tops = browser.js("return [...document.querySelectorAll('.row')].map(row => row.getBoundingClientRect().top)")
    lines = browser.js("return [...document.querySelectorAll('.row:first-child figure')].map(f => f.offsetTop)")
    browser.driver.find_element("css selector", ".menu summary").click()
    wide = browser.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    shown = browser.js("return document.images[0].width")
    browser.view(1200, 900)
    assert tops.count(tops[0]) == across
    assert [lines.count(top) for top in dict.fromkeys(lines)] == [3] * (len(labels) // 3)
    assert wide <= 0 and shown == pytest.approx(width, abs=2)
