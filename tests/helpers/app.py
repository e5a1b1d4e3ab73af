"""The app in a process of its own, and what a person does on its page."""
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.browser import Browser
from helpers.commands import ROOT

BARE = f"""
import sys, types
sys.path.insert(0, {str(ROOT)!r})
def build_page(home):
    import gradio
    with gradio.Blocks() as page:
        return page
sys.modules["studio.page"] = types.ModuleType("studio.page")
sys.modules["studio.page"].build_page = build_page
import app
app.main()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(folder: Path, *words: str, bare: bool = False, **environment: str) -> Iterator[str]:
    """`python app.py` in a folder, without what it would be told by the environment; gives its address.

    bare: with an empty page, for which torch is not imported.
    """
    pytest.importorskip("gradio", reason="NOT TESTED: gradio is not installed")
    port = free_port()
    own = {name: value for name, value in os.environ.items() if not name.startswith("GRADIO_")}
    program = ["-c", BARE] if bare else [ROOT / "app.py"]
    with subprocess.Popen([sys.executable, *program, "--port", str(port), *words], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**own, **environment}) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("the app: "), process.communicate(timeout=10)
            yield line.removeprefix("the app: ").strip()
        finally:
            process.terminate()
            rest, errors = process.communicate(timeout=30)
    assert rest.endswith("the app has ended\n"), errors
    assert "Traceback" not in errors or "it was not uploaded by a user" in errors, errors


class Person:
    """Somebody in front of the page: `browser` shows it."""

    def __init__(self, browser: Browser, address: str):
        self.browser, self.address = browser, address

    def come(self) -> None:
        """Open the page."""
        self.browser.driver.get(self.address)
        self.sees("button[role=tab]", "Data")

    def sees(self, selector: str, text: str = "", seconds: float = 60) -> str:
        """Wait for an element with this text (a regular expression) in sight; returns all of its text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.browser.js(
                "return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetParent).map(e => "
                "[e.innerText, ...[...e.querySelectorAll('input, textarea')].map(f => f.value)].join('\\n'))", selector)
            for words in found:
                if re.search(text, words):
                    return words
            time.sleep(0.1)
        errors = self.browser.texts(".toast-body")
        raise AssertionError(f"{selector} does not say {text!r} but {found}; errors: {errors}")

    def goes_to(self, room: str) -> None:
        """Choose a tab."""
        self.browser.js("[...document.querySelectorAll('button[role=tab]')]"
                        ".find(e => e.innerText.trim() === arguments[0]).click()", room)

    def presses(self, element: str) -> None:
        """Press a button."""
        self.browser.js("document.getElementById(arguments[0]).click()", element)

    def drops(self, element: str, files: Sequence[Path]) -> None:
        """Bring files, and wait until they are uploaded."""
        place = self._find(f"#{element} input[type=file]")
        place.send_keys("\n".join(map(str, files)))
        self.sees(f"#{element}", re.escape(files[-1].stem[-8:]))

    def types(self, element: str, words: object) -> None:
        """Fill in a field."""
        from selenium.webdriver.common.keys import Keys

        field = self._find(f"#{element} input:not([type=range]), #{element} textarea")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE, str(words), Keys.TAB)

    def value(self, element: str) -> str:
        """What stands in a field."""
        return self.browser.js("return document.querySelector(arguments[0]).value",
                               f"#{element} input, #{element} textarea")

    def opens(self, title: str) -> None:
        """Open what is folded in."""
        self.browser.js("[...document.querySelectorAll('button.label-wrap:not(.open)')]"
                        ".find(e => e.innerText.includes(arguments[0]))?.click()", title)

    def _find(self, selector: str):
        return self.browser.driver.find_element("css selector", selector)
