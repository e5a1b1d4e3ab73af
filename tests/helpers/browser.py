"""A headless Chromium that opens pages from disk and tells what they asked for and complained about."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FLAGS = [
    "headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
    "disable-sync", "no-first-run",
]


class Browser:
    """One browser window. `driver` is selenium's, for scripts and clicks."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, page: Path) -> None:
        """Load a page from disk, forgetting what earlier pages logged. page: its path."""
        self.driver.get("about:blank")
        self.console()
        self.requested()
        self.driver.get(Path(page).resolve().as_uri())

    def js(self, script: str, *arguments):
        """Return what a script returns, e.g. js("return document.title"); a promise is awaited."""
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element that a CSS selector finds."""
        return self.js("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def console(self) -> list[str]:
        """Return the console messages since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Return every URL asked for since the last call, the page itself included."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def assert_quiet_and_local(self) -> None:
        """Fail where the page wrote to the console or asked for anything that is not on this disk."""
        assert self.console() == []
        assert [url for url in self.requested() if not url.startswith(("file://", "data:"))] == []

    def view(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the size of the window, in CSS pixels, and the colour scheme, "light" or "dark"."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def load_images(self) -> list[str]:
        """Scroll each picture into view until it has loaded or failed; return the addresses of those that failed."""
        return self.js("""
            return (async () => {
              const failed = [];
              for (const image of document.images) {
                image.scrollIntoView();
                if (!image.complete) await new Promise(done => { image.onload = image.onerror = done; });
                if (image.naturalWidth === 0) failed.push(image.src);
              }
              return failed;
            })()""")

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as a PNG file."""
        Path(path).write_bytes(self.driver.get_screenshot_as_png())


@contextmanager
def chromium(profile: Path, *flags: str) -> Iterator[Browser]:
    """Give a Browser with a fresh profile in the folder `profile`; skip the test where there is none to run.

    flags: of Chromium, beside those of every test, without their dashes.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="NOT TESTED in a browser: selenium is not installed")
    binary, service = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and service):
        pytest.skip("NOT TESTED in a browser: chromium and chromedriver are not both installed")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in [*FLAGS, *flags]:
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=service))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
