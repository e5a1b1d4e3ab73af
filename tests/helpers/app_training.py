"""The Train room in a browser: what a person does there."""
import time
from collections.abc import Callable

import pytest

from helpers.browser import Browser

FLAGS = ("--netG resnet_6blocks --ngf 4 --ndf 4 --num_threads 0 --gpu_ids -1 --precision fp32 --print_freq 8 "
         "--display_id 0")


def train_in_app(browser: Browser, name: str, seconds: float = 120) -> None:
    """From the open page to a run of that name, which is started, stopped (so that it is saved), and gone on with for
    a moment. The folder of pictures was looked at in the room Data, or is the only one; it holds pairs.
    """
    room = TrainRoom(browser, seconds)
    room.enter()
    room.until(lambda: "--model pix2pix" in room.command() or "pix2pix.txt" in room.command(), "a suggestion")
    room.click("#train-others button")
    room.fill("#train-more textarea", FLAGS)
    room.fill("#train-size", "32")
    room.fill("#train-epochs", "-1")
    room.until(lambda: "Not yet" in room.text("#form-said"), "a refusal of -1 epochs")
    room.fill("#train-epochs", "100000")
    room.fill("#train-name", name)
    room.until(lambda: f"--name {name}" in room.command() and "--n_epochs 60000" in room.command(), "the command")
    room.click("#start")
    room.until(lambda: "running, epoch" in room.text("#standing"), "a training at work")
    assert "MB of memory" in room.text("#standing")
    room.until(lambda: browser.js("return document.querySelectorAll('#losses canvas, #losses svg.marks').length") > 0,
               "curves")
    room.until(lambda: browser.js("return document.querySelectorAll('#strip img').length") > 2, "samples")
    room.click("#stop")
    room.until(lambda: "stopped" in room.text("#standing"), "the end of the training")
    room.fill("#more-minutes", "0.02")
    room.click("#go-on")
    room.until(lambda: "--continue_train --max_minutes 0.02" in room.value("#started-line"), "the command that goes on")
    room.until(lambda: "stopped" in room.text("#standing"), "the end of its minutes")


class TrainRoom:
    """The tab Train of the open page. seconds: how long anything may take."""

    def __init__(self, browser: Browser, seconds: float):
        self.browser, self.seconds = browser, seconds

    def enter(self) -> None:
        """Open the tab."""
        tabs = ("return [...document.querySelectorAll('button[role=tab]')]"
                ".find(tab => tab.textContent.trim() == 'Train')")
        self.until(lambda: self.browser.js(tabs), "the tab Train")
        self.browser.js(tabs).click()

    def text(self, selector: str) -> str:
        """What an element says."""
        return " ".join(self.browser.texts(selector))

    def value(self, selector: str) -> str:
        """What a field holds; '' while it is not there."""
        return self.browser.js("const field = document.querySelector(arguments[0] + ' textarea, ' + arguments[0] + "
                               "' input'); return field ? field.value : ''", selector)

    def command(self) -> str:
        """The command that is shown."""
        return self.value("#command")

    def click(self, selector: str) -> None:
        """Press something that is there."""
        element = self.browser.driver.find_element("css selector", selector)
        self.browser.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def fill(self, selector: str, text: str) -> None:
        """Type into a field, in the place of what it holds."""
        if not selector.endswith("textarea"):
            selector = f"{selector} input, {selector} textarea"
        from selenium.webdriver.common.keys import Keys  # not above: without selenium tests in a browser are skipped

        self.click(selector)
        field = self.browser.driver.find_element("css selector", selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text, Keys.TAB)

    def until(self, there: Callable[[], object], what: str) -> None:
        """Wait until something is there; `what` it is, in words."""
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            try:
                if there():
                    return
            except WebDriverException:  # the page is being drawn
                pass
            time.sleep(0.2)
        pytest.fail(f"never came: {what}; the room says: {self.text('#form-said')} {self.text('#standing')}")
