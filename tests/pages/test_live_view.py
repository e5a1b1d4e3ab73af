"""The live view against a real visdom server, and against servers that fail in each way a server can."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from pages import live_view
from pages.live_view import GAP, open_live_view

visdom = pytest.importorskip("visdom")
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")  # visdom's own call

START_SERVER = (
    "import sys; from visdom.server.run_server import start_server; "
    "start_server(port=int(sys.argv[1]), hostname='localhost', base_url='', env_path=sys.argv[2], bind_local=True)"
)
HOST = "http://127.0.0.1"


class Server:
    """A visdom server in a process of its own."""

    def __init__(self, folder):
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-c", START_SERVER, str(self.port), str(folder)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_until_it_answers(self):
        for _ in range(300):
            assert self.process.poll() is None, "the visdom server died"
            try:
                urllib.request.urlopen(f"{HOST}:{self.port}/env_state", data=b"{}", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail("the visdom server does not answer")

    def open(self, env="main", display_id=1, ncols=2, winsize=200):
        view = open_live_view(display_id, HOST, self.port, env, ncols, winsize, "maps")
        assert view is not None
        return view

    def window(self, window_id, env):
        client = visdom.Visdom(server=HOST, port=self.port, env=env, use_incoming_socket=False, raise_exceptions=True)
        return json.loads(client.get_window_data(win=window_id, env=env))

    def curves(self, env):
        traces = self.window("1", env)["content"]["data"]
        return {trace["name"]: (trace["x"], trace["y"]) for trace in traces}

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def running(folder):
    server = Server(folder)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("visdom")) as server:
        yield server


@pytest.fixture
def doomed_server(tmp_path):
    with running(tmp_path) as server:
        yield server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def finish(call, seconds=15):
    """Run call() and return its result; fail if it takes longer than `seconds`."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "the call hangs or raised"
    return results[0]


def colour(height, width, rgb):
    return np.full((height, width, 3), rgb, np.uint8)


def view_threads():
    return [thread for thread in threading.enumerate() if thread.name == "live view"]


def pixels(window):
    png = base64.b64decode(window["content"]["src"].removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(png)))


# A server that works

def test_server_holds_the_curves(server, capsys):
    view = server.open("curves")
    losses = {"G_A": 2.0, "D_A": 0.5}
    view.plot_losses(1.25, losses)
    losses["G_A"] = -1.0  # the caller may reuse its dict
    view.plot_losses(1.5, {"G_A": 1.75, "D_A": float("inf")})
    view.plot_losses(1.75, {"G_A": float("nan"), "D_A": 0.25, "late": 3.0})
    view.close(timeout=30)

    assert server.curves("curves") == {
        "G_A": ([1.25, 1.5, 1.75], [2.0, 1.75, None]),
        "D_A": ([1.25, 1.5, 1.75], [0.5, None, 0.25]),
        "late": ([1.75], [3.0]),
    }
    window = server.window("1", "curves")
    assert window["title"] == "maps losses"
    assert window["content"]["layout"]["showlegend"] is True
    assert not view_threads()
    assert capsys.readouterr() == ("", "")


def test_server_holds_the_newest_pictures_and_their_labels(server):
    images = {"real_A": colour(20, 30, (255, 0, 0)), "fake_B": colour(20, 30, (0, 255, 9)), "small": colour(10, 12, 3)}
    expected = np.full((20 + GAP + 20, 30 + GAP + 30, 3), 255)
    expected[:20, :30] = 255, 0, 0
    expected[:20, 30 + GAP:] = 0, 255, 9
    expected[20 + GAP:20 + GAP + 10, :12] = 3

    view = server.open("pictures", display_id=5, ncols=2, winsize=200)
    view.show_images({"old": colour(8, 8, 0)})
    view.show_images(images)
    images["small"][:] = 77  # the caller may reuse its arrays
    view.close(timeout=30)

    window = server.window("6", "pictures")
    np.testing.assert_array_equal(pixels(window), expected)
    assert window["content"]["caption"] == "real_A | fake_B // small"
    assert window["title"] == "maps pictures"
    assert (window["width"], window["height"]) == (400, round(400 * expected.shape[0] / expected.shape[1]))


def test_a_new_run_starts_with_empty_windows(server):
    for value in (1.0, 2.0):
        view = open_live_view(1, "127.0.0.1", server.port, "again", 4, 256, "maps")  # a name without scheme will do
        view.plot_losses(1.0, {"G": value})
        view.close(timeout=30)
    assert server.curves("again") == {"G": ([1.0], [2.0])}


def test_all_in_one_row_without_ncols_and_calls_after_close_do_nothing(server, capsys):
    view = server.open("row", ncols=0)
    view.show_images({name: colour(6, 7, 9) for name in "abc"})
    view.show_images({})
    view.close(timeout=30)
    view.show_images({"a": colour(5, 5, 0)})
    view.plot_losses(1.0, {"G": 1.0})
    view.close(timeout=30)
    assert pixels(server.window("2", "row")).shape == (6, 3 * 7 + 2 * GAP, 3)
    assert capsys.readouterr().out == ""


def test_a_broken_picture_ends_the_view_and_not_the_training(server, capsys):
    view = server.open("broken")
    view.show_images({"broken": np.zeros((5, 5, 7), np.uint8)})
    view._thread.join(30)
    view.plot_losses(1.0, {"G": 1.0})
    view.close(timeout=30)
    assert capsys.readouterr().out.count("\n") == 1


# No view

def test_display_id_0_is_silent_and_does_not_import_visdom():
    script = (
        "import sys; from pages.live_view import open_live_view; "
        "assert open_live_view(0, 'http://localhost', 8097, 'main', 4, 256, 'maps') is None; "
        "assert 'visdom' not in sys.modules"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_no_server_is_said_in_one_line(capsys):
    port = free_port()
    assert open_live_view(1, HOST, port, "main", 4, 256, "maps") is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert f"no visdom server answers at {HOST}:{port}, training goes on without it" in said
    assert f"`python -m visdom.server -port {port}`" in said and "`--display_id 0`" in said


def test_missing_visdom_is_said_in_one_line(server, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "visdom", None)
    assert open_live_view(1, HOST, server.port, "main", 4, 256, "maps") is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "pip install visdom" in said and "--display_id 0" in said


def test_a_port_that_accepts_and_never_answers_is_no_server(capsys):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert finish(lambda: open_live_view(1, HOST, mute.getsockname()[1], "main", 4, 256, "maps") is None)
    assert capsys.readouterr().out.count("\n") == 1


# A server that fails in mid-training

def test_killed_server_is_said_once(doomed_server, capsys, caplog):
    view = doomed_server.open()
    view.plot_losses(1.0, {"G": 1.0})
    doomed_server.kill()
    for step in range(50):
        view.plot_losses(2.0 + step, {"G": 1.0})
        view.show_images({"a": colour(5, 5, 0)})
        time.sleep(0.005)
    finish(lambda: view.close() is None)
    assert not view_threads()
    printed = capsys.readouterr()
    assert printed.out.count("\n") == 1 and "training goes on without it" in printed.out
    assert printed.err == "" and caplog.text == ""


def test_hung_server_holds_nobody_up(doomed_server, monkeypatch):
    monkeypatch.setattr(live_view, "SEND_TIMEOUT", 300.0)
    view = doomed_server.open()
    doomed_server.process.send_signal(signal.SIGSTOP)

    def train():
        for step in range(3 * live_view.MAX_WAITING_POINTS):
            view.plot_losses(step, {"G": 1.0})
            view.show_images({"a": colour(5, 5, 0)})
        return len(view._points)

    assert finish(train) <= live_view.MAX_WAITING_POINTS
    finish(lambda: view.close(timeout=0.1) is None)
    doomed_server.kill()
    view._thread.join(30)
    assert not view_threads()


def test_hung_server_is_given_up(doomed_server, monkeypatch, capsys):
    monkeypatch.setattr(live_view, "SEND_TIMEOUT", 0.5)
    view = doomed_server.open()
    doomed_server.process.send_signal(signal.SIGSTOP)
    view.plot_losses(1.0, {"G": 1.0})
    view._thread.join(30)
    assert not view_threads()
    assert "ReadTimeout" in capsys.readouterr().out


@pytest.mark.parametrize("accepted, words", [([], "no visdom server answers"), (["/env_state"], "HTTPError")])
def test_refusals_are_not_taken_for_success(capsys, accepted, words):
    """Anything may listen on port 8097, and a server may refuse later on what it took at first."""

    class Refuser(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200 if self.path in accepted else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuser) as refuser:
        threading.Thread(target=refuser.serve_forever, daemon=True).start()
        view = open_live_view(1, HOST, refuser.server_port, "main", 4, 256, "maps")
        if view:
            view.plot_losses(1.0, {"G": 1.0})
            view.close(timeout=30)
        refuser.shutdown()
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and words in said
