"""A real visdom server for the tests of the live view, and what they look at."""
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pages.live_view import LiveView, open_live_view

START_SERVER = (
    "import sys; from visdom.server.run_server import start_server; "
    "start_server(port=int(sys.argv[1]), hostname='localhost', base_url='', env_path=sys.argv[2], bind_local=True)"
)
HOST = "http://127.0.0.1"


class Server:
    """A visdom server in a process of its own."""

    def __init__(self, folder: Path):
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-c", START_SERVER, str(self.port), str(folder)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_until_it_answers(self) -> None:
        for _ in range(300):
            assert self.process.poll() is None, "the visdom server died"
            try:
                urllib.request.urlopen(f"{HOST}:{self.port}/env_state", data=b"{}", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail("the visdom server does not answer")

    def open(self, env: str = "main", display_id: int = 1, ncols: int = 2, winsize: int = 200) -> LiveView:
        view = open_live_view(display_id, HOST, self.port, env, ncols, winsize, "maps", print)
        assert view is not None
        return view

    def window(self, window_id: str, env: str) -> dict:
        import visdom

        client = visdom.Visdom(server=HOST, port=self.port, env=env, use_incoming_socket=False, raise_exceptions=True)
        return json.loads(client.get_window_data(win=window_id, env=env))

    def curves(self, env: str, window_id: str = "1") -> dict[str, tuple]:
        traces = self.window(window_id, env)["content"]["data"]
        return {trace["name"]: (trace["x"], trace["y"]) for trace in traces}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def finish(call: Callable[[], Any], seconds: float = 15) -> Any:
    """Run call() and return its result; fail if it takes longer than `seconds`."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "the call hangs or raised"
    return results[0]


def colour(height: int, width: int, rgb: int | tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), rgb, np.uint8)


def view_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "live view"]
