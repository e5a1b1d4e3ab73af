"""The live view when its server fails in mid-training: said in one line, and nobody waits."""
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers.live_server import HOST, colour, finish, running, view_threads
from pages import live_view
from pages.live_view import open_live_view

pytest.importorskip("visdom")
pytestmark = [pytest.mark.slow,
              pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")]  # visdom's own call


@pytest.fixture
def doomed_server(tmp_path):
    with running(tmp_path) as server:
        yield server


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
        view = open_live_view(1, HOST, refuser.server_port, "main", 4, 256, "maps", print)
        if view:
            view.plot_losses(1.0, {"G": 1.0})
            view.close(timeout=30)
        refuser.shutdown()
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and words in said
