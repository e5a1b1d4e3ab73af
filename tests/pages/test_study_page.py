"""The page of a study: people take part in a real browser, and their answers are scored."""
import json
import time
from pathlib import Path

import pytest
from PIL import Image

from evaluation.study_command import main
from evaluation.study_score import score
from helpers.browser import Browser, chromium

COLOURS = {"real": "green", "fake": "red"}
HOSTILE = "<script>document.title='injected'<\\script>"
# Each frame: what the middle of the picture's place shows, noted when it changes; and whether an answer was told.
WATCH = """
    window.seen = []; window.told = 0;
    const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    copy.canvas.width = copy.canvas.height = study.size;
    window.pixels = () => {
      copy.clearRect(0, 0, study.size, study.size);
      copy.drawImage(stage.canvas, 0, 0);
      return copy.getImageData(0, 0, study.size, study.size).data;
    };
    (function look() {
      const [red, green, , alpha] = pixels().subarray(2 * study.size * (study.size + 1));
      const now = alpha === 0 ? "-" : red > green ? "fake" : "real";
      if (seen.at(-1) !== now) seen.push(now);
      if (!document.getElementById("feedback").hidden) told++;
      requestAnimationFrame(look);
    })()"""
# While the first picture of a pair is shown, the person looks at another page.
LOOK_AWAY = """
    const [count] = arguments;
    (function look() {
      if (document.getElementById("count").textContent !== count || seen.at(-1) === "-") {
        requestAnimationFrame(look);
        return;
      }
      Object.defineProperty(document, "hidden", {value: true, configurable: true});
      document.dispatchEvent(new Event("visibilitychange"));
      delete document.hidden;
    })()"""
BLANK = "return pixels().every(value => value === 0)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as window:
        yield window


def write_study(folder: Path, line: str, methods: tuple[str, ...] = ("ours",), count: int = 50) -> Path:
    for kind in ("real", *methods):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            colour = COLOURS.get(kind, COLOURS["fake"])
            Image.new("RGB", (32, 32), colour).save(folder / kind / f"{number}.png")
    Image.new("RGB", (32, 32), COLOURS["real"]).save(folder / "real" / f"0{HOSTILE}.png")
    fakes = [word for method in methods for word in ("--fake", str(folder / method))]
    main(["--real", str(folder / "real"), *fakes, "--output", str(folder / "study.html"), *line.split()])
    return folder / "study.html"


class Person:
    """Takes part in a study in a browser."""

    def __init__(self, browser: Browser, page: Path):
        self.browser, self.folder = browser, page.parent / "downloads"
        self.folder.mkdir()
        browser.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(self.folder.resolve())})
        browser.open(page)
        browser.js(WATCH)

    def wait(self, condition: str) -> None:
        """Until a condition in JavaScript holds."""
        for _ in range(1000):
            if self.browser.js(f"return Boolean({condition})"):
                return
            time.sleep(0.01)
        raise AssertionError(f"never came: {condition}; the page shows: {self.browser.texts('section:not([hidden])')}")

    def wait_for(self, section: str) -> None:
        """Until a section of the page is there."""
        self.wait(f"!document.getElementById('{section}').hidden")

    def key(self, *keys: str) -> None:
        """Press a key on the page; which element has the focus must not matter."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser.driver, duration=0).send_keys(*keys).perform()

    def touch(self, button: str) -> None:
        """Tap on a button."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        finger = ActionBuilder(self.browser.driver, mouse=PointerInput("touch", "finger"), duration=0)
        element = self.browser.driver.find_element("id", button)
        finger.pointer_action.move_to(element).pointer_down().pointer_up()
        finger.perform()

    def look(self) -> str:
        """See a pair and wait for the question; returns which picture came first."""
        self.wait("!first.disabled")
        seen = self.browser.js("return seen.splice(0)")
        assert seen[-5:] in (["-", "real", "-", "fake", "-"], ["-", "fake", "-", "real", "-"]), seen
        assert self.browser.js(BLANK)
        return seen[-4]

    def answers(self) -> dict:
        """What was downloaded."""
        for _ in range(500):
            if files := list(self.folder.glob("*.json")):
                return json.loads(files[0].read_text())
            time.sleep(0.01)
        raise AssertionError("nothing was downloaded")


def test_a_whole_session_by_keyboard(browser, tmp_path):
    from selenium.webdriver.common.keys import Keys

    browser.view(1280, 800)
    person = Person(browser, write_study(tmp_path, "--show_ms 40 --size 64"))
    assert browser.texts("h1") == ["Real or fake?"] == [browser.driver.title]
    person.key(Keys.ENTER)
    for number in range(50):
        practice = number < 10
        if number == 12:  # an answer before the question is none
            person.key("1")
        first = person.look()
        assert browser.texts("#count") == [f"Practice {number + 1} of 10" if practice else f"{number - 9} of 40"]
        fooled = practice or number % 4 == 0  # of the 40 that count: 12, 16, ... 48
        labelled = "fake" if fooled else "real"
        if number == 20:
            person.key("p")
        person.key({True: ("1", Keys.ARROW_LEFT), False: ("2", Keys.ARROW_RIGHT)}[labelled == first][number % 2])
        if practice:
            person.wait_for("feedback")
            assert browser.texts("#verdict") == [f"No: the {'first' if first == 'real' else 'second'} one was real."]
            others = {"real": "fake", "fake": "real"}
            assert browser.texts("figcaption") == [f"First: {first}", f"Second: {others[first]}"]
            assert browser.js("return told") > 0
            person.key(Keys.SPACE if number % 2 else Keys.ENTER)
        if number in (9, 20):  # after the practice, and where a pause was asked for
            person.wait_for("rest")
            assert browser.texts("#why") == [{9: "That was the practice", 20: "Pause"}[number]]
            browser.js("told = 0")
            person.key(Keys.ENTER)
    person.wait_for("end")
    assert browser.js("return told") == 0  # no feedback on the 40
    browser.assert_quiet_and_local()
    leaving = "return dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    assert browser.js(leaving) is False  # asks first: the answers would be lost
    person.key(Keys.ENTER)
    answers = person.answers()
    assert browser.js(leaving) is True and browser.console() == []
    rows = answers["answers"]
    assert (answers["method"], answers["seed"], answers["size"], answers["show_ms"]) == ("ours", 0, 64, 40)
    assert [row["practice"] for row in rows] == [True] * 10 + [False] * 40
    assert [row["trial"] for row in rows] == [*range(1, 11), *range(1, 41)]
    assert len(answers["session"]) == 32 and answers["began"].endswith("Z") and answers["ended"] > answers["began"]
    for kind, folder in (("real", "real"), ("fake", "ours")):
        assert {row[kind] for row in rows} <= {path.name for path in (tmp_path / folder).iterdir()}
        assert len({row[kind] for row in rows}) == 50
    assert {row["first"] for row in rows} == {"real", "fake"}
    assert all(row["width"] == 64 and row["interrupted"] is False and row["time_ms"] >= 0 for row in rows)
    assert all(len(row["shown_ms"]) == 2 and min(row["shown_ms"]) > 0 for row in rows)
    [ours], _ = score(list(person.folder.glob("*.json")))
    assert (ours.method, ours.labelled_real, ours.people, ours.trials) == ("ours", 25.0, 1, 40)


def test_a_short_session_by_touch(browser, tmp_path):
    browser.view(400, 720, "dark")
    page = write_study(tmp_path, "--show_ms 40 --trials 4 --practice 1 --size 300", ("ours", "theirs"), count=6)
    person = Person(browser, page)
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    browser.js(LOOK_AWAY, "2 of 4")
    person.touch("go")
    for number in range(5):
        first = person.look()
        person.touch("second" if first == "real" else "first")  # the fake is labelled real
        if number == 0:
            person.touch("next")
            person.touch("on")
    person.wait_for("end")
    person.touch("save")
    answers = person.answers()
    assert answers["method"] in ("ours", "theirs")
    assert [row["interrupted"] for row in answers["answers"]] == [False, False, True, False, False]
    [scored], notices = score(list(person.folder.glob("*.json")))
    assert (scored.labelled_real, scored.trials, scored.method) == (100.0, 3, answers["method"])
    assert "1 trials in" in notices[0]


@pytest.mark.parametrize("width, height", [(400, 720), (720, 400), (1280, 720), (2560, 720)])
def test_what_is_asked_fits_into_the_window(browser, tmp_path, width, height):
    browser.view(width, height)
    person = Person(browser, write_study(tmp_path, "--show_ms 20 --trials 1 --practice 1 --size 512", count=2))
    fits = ("const page = document.documentElement;"
            " return page.scrollWidth <= innerWidth && page.scrollHeight <= innerHeight")
    person.touch("go")
    person.look()
    assert browser.js(fits)
    wide, high = browser.js("const place = stage.canvas.getBoundingClientRect(); return [place.width, place.height]")
    assert wide == high > 240
    person.touch("first")
    person.wait_for("feedback")
    assert browser.js(fits)
