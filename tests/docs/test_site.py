"""The site of the docs: built without a warning, whole, and complete in itself."""
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import data
import models
from helpers.browser import chromium
from helpers.commands import ROOT, load_command
from helpers.forked import forked_subprocesses
from options.command_line import parse

MISSING = "NOT TESTED: the site of the docs, pip install .[docs]"
for library in ("mkdocs", "material", "mkdocstrings"):
    pytest.importorskip(library, reason=MISSING)

pytestmark = pytest.mark.slow
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}


class Page(HTMLParser):
    """What a page links to, what a browser fetches with it, and the anchors that it has."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = {"", "__top"}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name"):
                self.anchors.add(value or "")
            if tag == "a" and name == "href":
                self.links.append(value or "")
            if (tag, name) in FETCHED:
                self.fetched.append(value or "")


def build(*flags: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", *map(str, flags)], cwd=ROOT,
                          env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    with forked_subprocesses():
        done = build("--site-dir", folder)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_and_anchor_of_the_site_holds(site: Path, pages: dict[Path, Page]):
    broken = []
    for path, page in pages.items():
        for link in {*page.links, *page.fetched}:
            where, _, anchor = unquote(link).partition("#")
            if re.match(r"\w+:", where) or path.name == "404.html":
                continue
            target = (path.parent / where.partition("?")[0]).resolve() if where else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (target in pages and anchor not in pages[target].anchors):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert len(pages) > 20 and broken == []


def test_the_site_asks_for_nothing_outside_of_it(site: Path, pages: dict[Path, Page]):
    outside = {link for page in pages.values() for link in page.fetched if re.match(r"(?!data:)\w+:|//", link)}
    styles = {style: re.findall(r"""@import[^;]+|url\(["']?(?:https?:|//)[^)]*""", style.read_text())
              for style in site.rglob("*.css")}
    assert outside == set() and styles and not any(styles.values())


def test_every_option_stands_in_the_reference(pages: dict[Path, Page]):
    (reference,) = (page for path, page in pages.items() if path.match("reference/options.html"))
    for phase in ("train", "test"):
        command = load_command(phase).COMMAND
        listed = {anchor.rpartition("-")[2] for anchor in reference.anchors if anchor.startswith(f"{phase}-")}
        owners = [("--model", name) for name in models.names()] + [("--dataset_mode", name) for name in data.names()]
        for words in owners:
            declared = parse(command, ["--dataroot", "x", *words]).declared
            hidden = {name for name, option in declared.items() if phase == "test" and option.training_only}
            assert len(declared) > 20 and declared.keys() - listed - hidden == set()


def test_what_the_readme_and_the_docstrings_say_is_on_the_site(site: Path):
    def text(path: str) -> str:
        return re.sub(r"<[^>]+>", "", (site / path).read_text())

    assert "Stop and go on" in text("project/index.html") and "Redistribution" in text("project/LICENSE.html")
    assert "A generator of the run in a folder, ready to translate" in text("reference/python.html")
    assert "Translates pictures with the generator of a run" in text("reference/python.html")
    for page, arguments in (("networks", r"UnetGenerator\(\s*input_nc: int"), ("models", r"Update\(\s*name: str")):
        assert re.search(arguments, text(f"reference/{page}.html"))
    assert "one of the named nets" not in text("reference/models.html")
    assert "the named nets learn from" in text("reference/models.html").replace("named nets`", "named nets")


def test_a_link_to_nothing_ends_the_build(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A\n\n[b](b.md) [c](../c.md) [d](#d)\n")
    settings = "nav: [index.md]\nplugins: []\nextra_css: []\nhooks: []\n"
    (tmp_path / "mkdocs.yml").write_text(f"INHERIT: {ROOT / 'mkdocs.yml'}\n{settings}")
    done = build("-f", tmp_path / "mkdocs.yml", "--site-dir", tmp_path / "site")
    assert done.returncode != 0 and done.stderr.count("WARNING") == 3, done.stderr


def test_the_pictures_of_the_gallery_are_small():
    assert 0 < sum(file.stat().st_size for file in (ROOT / "docs" / "gallery").iterdir()) < 600_000


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("page", ["index.html", "gallery.html", "reference/options.html"])
def test_a_page_fits_and_stays_local(browser, site: Path, page: str):
    for width, scheme in ((400, "light"), (1280, "dark")):
        browser.view(width, 900, scheme)
        browser.open(site / page)
        assert browser.js("return document.documentElement.scrollWidth") <= width
        assert [url for url in browser.requested() if not url.startswith(("file://", "data:", "blob:"))] == []
        assert browser.js("return document.querySelector('[data-md-color-scheme]').dataset.mdColorScheme") == (
            "default" if scheme == "light" else "slate")
        browser.js("localStorage.clear()")  # where the theme keeps the scheme
