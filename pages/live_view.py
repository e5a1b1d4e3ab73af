"""The live view: curves and the newest pictures in a visdom browser page, while training goes on."""

from __future__ import annotations

import logging
import math
import threading
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPException
from typing import Any

import numpy as np

from pages.picture_grid import picture_grid

CHECK_TIMEOUT = 2.0  # seconds to wait for a first sign of life of the server
SEND_TIMEOUT = 4.0  # seconds for one request; less than close() waits, so that a hung server ends the thread in time
MAX_WAITING_POINTS = 1000  # of the curves; beyond it the oldest are dropped
HOW_TO_INSTALL = ('Install it with `pip install "setuptools<81"`, which can build it, and then '
                  '`pip install --no-build-isolation visdom "tornado<6.6"`')


def open_live_view(
    display_id: int, server: str, port: int, env: str, ncols: int, winsize: int, title: str,
    say: Callable[[str], None]
) -> LiveView | None:
    """Open the live view, or say in one line why there is none.

    display_id: visdom window of the losses' curves, the pictures get the next one and the curves of the validation the
        one after that; 0 or less turns the view off silently.
    server: address with or without scheme, "http://localhost".
    env: visdom environment that holds the windows; what an earlier run left in them is removed.
    ncols: pictures in a row; 0 or less puts all in one row.
    winsize: width in the browser of one picture, in pixels.
    title: shown above all windows, the name of the run; above the pictures their labels follow it.
    say: shows the user a line, now or, when the server fails later, from another thread.
    Raises nothing: without a server or without visdom it says one line and returns None.
    """
    if display_id <= 0:
        return None
    address = (server if "://" in server else f"http://{server}").rstrip("/")
    if not _answers(f"{address}:{port}/env_state"):
        say(f"Live view: no visdom server answers at {address}:{port}, training goes on without it. Start one with "
            f"`python -m visdom.server -port {port}`, or silence this line with `--display_id 0`.")
        return None
    try:
        import visdom  # noqa: F401  a second's worth of import, and only here
    except ImportError as error:
        say(f"Live view: visdom cannot be imported ({error}), training goes on without it. "
            f"{HOW_TO_INSTALL}, or silence this line with `--display_id 0`.")
        return None
    return LiveView(partial(_Windows, address, port, env, display_id, ncols, winsize, title), say)


class LiveView:
    """Hands curves and pictures to a thread that sends them.

    No call waits for the server and no failure of it reaches the caller: the first one is said in one line, and from
    then on every call does nothing. Pictures not yet sent give way to newer ones, see MAX_WAITING_POINTS for curves.
    """

    def __init__(self, connect: Callable[[], _Windows], say: Callable[[str], None]):
        self._connect, self._say = connect, say
        self._points: deque[tuple[str, float, dict[str, float]]] = deque(maxlen=MAX_WAITING_POINTS)
        self._images: dict[str, np.ndarray] | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)
        self._thread.start()

    def plot_losses(self, epoch: float, losses: dict[str, float]) -> None:
        """Add one point to each named curve. epoch: position on the x axis, 2.5 is half way through the third epoch."""
        self._plot("losses", epoch, losses)

    def plot_validation(self, epoch: float, metrics: Mapping[str, float]) -> None:
        """The same for what was measured on held-out images, which has a window of its own."""
        self._plot("validation", epoch, metrics)

    def _plot(self, kind: str, epoch: float, values: Mapping[str, float]) -> None:
        with self._changed:
            if not self._closed:
                self._points.append((kind, epoch, dict(values)))
                self._changed.notify()

    def show_images(self, images: dict[str, np.ndarray]) -> None:
        """Show these pictures in place of the last ones. images: label -> uint8 (H, W, 3); they are copied."""
        with self._changed:
            if images and not self._closed:
                self._images = {label: np.array(image) for label, image in images.items()}
                self._changed.notify()

    def close(self, timeout: float = 5.0) -> None:
        """Send what waits, for at most `timeout` seconds, and end the thread. What is not sent by then is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)
        self._drop()

    def _run(self) -> None:
        try:
            windows = self._connect()
            while send := self._next():
                send(windows)
        except Exception as error:  # whatever it is, it must not end the training
            self._drop()
            self._say(f"Live view: stopped by {error!r}, training goes on without it.")

    def _next(self) -> Callable[[_Windows], None] | None:
        """Wait for something to send and take it off the queue. None: closed, and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._points or self._images or self._closed)
            if self._points:
                point = self._points.popleft()
                return lambda windows: windows.plot(*point)
            if self._images:
                images, self._images = self._images, None
                return lambda windows: windows.show(images)
            return None

    def _drop(self) -> None:
        with self._changed:
            self._closed = True
            self._points.clear()
            self._images = None


class _Windows:
    """The windows on the server. Every call waits for the server, and raises RuntimeError if it fails."""

    def __init__(self, server: str, port: int, env: str, display_id: int, ncols: int, winsize: int, title: str):
        self._visdom = _connect(server, port, env)
        self._curves = {"losses": str(display_id), "validation": str(display_id + 2)}
        self._pictures = str(display_id + 1)  # the server finds windows by text ids only
        self._ncols, self._winsize, self._title = ncols, winsize, title
        for window in (*self._curves.values(), self._pictures):
            self._visdom.close(win=window)

    def plot(self, kind: str, epoch: float, values: dict[str, float]) -> None:
        """Append a point to each curve; the first one creates its curve. NaN and infinity leave a hole.

        kind: losses or validation.
        """
        for name, value in values.items():
            x, y = np.array([epoch]), np.array([value if math.isfinite(value) else math.nan])
            axis = "loss" if kind == "losses" else "value"
            options = {"title": f"{self._title} {kind}", "xlabel": "epoch", "ylabel": axis, "showlegend": True,
                       "layoutopts": {"plotly": {"title": ""}}}  # the bar of the window shows it: not in the plot again
            self._visdom.line(X=x, Y=y, win=self._curves[kind], name=name, update="append", opts=options)

    def show(self, images: dict[str, np.ndarray]) -> None:
        """Replace the pictures by these, as one PNG. images: label -> uint8 (H, W, 3).

        The labels stand in the title, since visdom's page shows a caption twice.
        """
        columns = min(self._ncols, len(images)) if self._ncols > 0 else len(images)
        grid = picture_grid(list(images.values()), columns)
        labels = list(images)
        rows = [" | ".join(labels[start:start + columns]) for start in range(0, len(labels), columns)]
        width = columns * self._winsize
        options = {"title": f"{self._title}: {' // '.join(rows)}", "width": width,
                   "height": round(width * grid.shape[0] / grid.shape[1])}
        self._visdom.image(grid.transpose(2, 0, 1), win=self._pictures, opts=options)


def _answers(url: str) -> bool:
    """Ask for the list of environments: the page at "/" is refused by a visdom server under tornado 6.6."""
    try:
        with urllib.request.urlopen(url, data=b"{}", timeout=CHECK_TIMEOUT):
            return True
    except (OSError, HTTPException, ValueError):
        return False


def _connect(server: str, port: int, env: str) -> Any:
    """A visdom client that neither waits for ever nor prints."""
    import requests
    import visdom

    class QuietVisdom(visdom.Visdom):
        session: requests.Session

        def _handle_post(self, url: str, data: str | None = None) -> str:
            try:
                answer = self.session.post(url, data=data, timeout=SEND_TIMEOUT)
                answer.raise_for_status()
            except requests.RequestException as error:  # visdom would print some of these
                raise RuntimeError(f"{type(error).__name__} at {url}") from error
            return answer.text

    logging.getLogger("visdom").setLevel(logging.CRITICAL)
    return QuietVisdom(server=server, port=port, env=env, use_incoming_socket=False, raise_exceptions=True)
