"""The page of a comparison in a browser: columns under their numbers, at every width, with and without script."""
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from helpers.browser import Browser, chromium
from pages.compare_page import ComparePage, Heading, Number

METHODS = ("pix2pix", "<b>a_run_with_a_name_that_is_far_longer_than_its_column_is_wide</b>", "ours", "four", "five")
COLUMNS = len(METHODS) + 2


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture
def path(tmp_path: Path) -> Path:
    headings = [Heading("Input"), *(Heading(title, {
        "psnr": Number(f"2{number}.5", "20.1 to 29.9", best=number == 2), "mae": Number("∞")})
        for number, title in enumerate(METHODS)), Heading("Ground truth")]
    page = ComparePage(tmp_path, "Comparison", {"inputs": "2"}, headings, 256)
    for name in ("first", "sub/second"):
        files = [f"{column}/{name}.png" for column in range(COLUMNS)]
        page.add_row(name, files, [{}, *({"psnr": f"1{number}.5"} for number in range(len(METHODS))), {}])
        for file in files:
            (tmp_path / "images" / file).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), "orange").save(tmp_path / "images" / file)
    return page.save()


def boxes(browser: Browser, selector: str) -> list[list[int]]:
    """Left, right, top of each element that is shown, in CSS pixels."""
    return browser.js("""return [...document.querySelectorAll(arguments[0])].map(e => e.getBoundingClientRect())
                         .filter(box => box.height).map(box => [box.left, box.right, box.top].map(Math.round))""",
                      selector)


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 2560), ("light", 700)])
def test_pictures_stand_in_the_column_of_their_method(browser, path, scheme, width):
    browser.view(width, 900, scheme)
    browser.open(path)
    assert browser.load_images() == []
    heads = boxes(browser, ".headings > *")
    for row in (1, 2):
        figures = boxes(browser, f".row:nth-of-type({row}) figure")
        assert [box[:2] for box in figures] == [box[:2] for box in heads]  # one below the other
        assert len({top for _, _, top in figures}) == 1  # in one line
    lines = [box[2] for box in boxes(browser, ".headings dl div:first-child")]
    assert len(lines) == len(METHODS) and len(set(lines)) == 1  # whatever the length of the titles
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    browser.assert_quiet_and_local()


def test_a_narrow_page_has_two_columns_and_does_not_scroll_sideways(browser, path):
    browser.view(400, 900)
    browser.open(path)
    assert len({left for left, _, _ in boxes(browser, ".row:nth-of-type(1) figure")}) == 2
    assert len(boxes(browser, ".headings > *")) == len(METHODS)  # those with numbers
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")


def test_what_is_said(browser, path):
    browser.view(1280, 900)
    browser.open(path)
    assert browser.texts(".headings h2") == ["Input", *METHODS, "Ground truth"]
    assert browser.texts(".headings b") == ["22.5"]
    assert browser.js("return getComputedStyle(document.querySelector('.headings b')).fontWeight") == "700"
    assert browser.texts(".headings small") == ["20.1 to 29.9", "\xa0"] * len(METHODS)
    assert browser.texts(".row:nth-of-type(2) .own") == [f"psnr 1{number}.5" for number in range(len(METHODS))]
    alts = "return [...document.querySelectorAll('.row:nth-of-type(1) img')].map(i => i.alt)"
    assert browser.js(alts) == ["Input", *METHODS, "Ground truth"]


def test_rows_are_filtered_and_pictures_made_wider(browser, path):
    browser.view(2560, 900)
    browser.open(path)
    browser.js("""const { filter, width } = document.querySelector('.tools').elements;
                  filter.value = 'second'; width.value = 100;
                  for (const input of [filter, width]) input.dispatchEvent(new Event('input', { bubbles: true }))""")
    assert browser.texts(".row:not([hidden]) h2") == ["sub/second"]
    assert {right - left for left, right, _ in boxes(browser, ".headings > *")} == {100}


def test_complete_without_script(browser, path):
    disable = "Emulation.setScriptExecutionDisabled"
    browser.view(1280, 900)
    browser.driver.execute_cdp_cmd(disable, {"value": True})
    browser.open(path)
    browser.driver.execute_cdp_cmd(disable, {"value": False})
    assert browser.load_images() == []
    assert len(boxes(browser, ".row figure")) == 2 * COLUMNS and len(boxes(browser, ".headings dd")) == 2 * len(METHODS)
    assert browser.js("return document.querySelector('.tools').offsetHeight") == 0


def test_a_click_shows_all_methods_of_an_input_enlarged_and_of_one_size(browser, path):
    browser.view(1280, 900)
    browser.open(path)
    browser.js("document.querySelectorAll('.row figure a')[2].click()")
    assert browser.texts("dialog[open] b") == ["first"]
    assert [caption.removesuffix(f"psnr 1{number - 1}.5") for number, caption in
            enumerate(browser.texts(".panes figcaption"))] == ["Input", *METHODS, "Ground truth"]
    sizes = "return [...document.querySelectorAll('.frame')].map(f => `${f.clientWidth} x ${f.clientHeight}`)"
    assert len(set(browser.js(sizes))) == 1 and len(browser.js(sizes)) == COLUMNS
