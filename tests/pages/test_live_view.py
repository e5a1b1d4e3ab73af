"""The live view against a real visdom server, and without one."""
import base64
import io
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from helpers.images import read_pixels
from helpers.live_server import HOST, colour, finish, free_port, running, view_threads
from pages.live_view import open_live_view
from pages.picture_grid import GAP

pytest.importorskip("visdom")
pytestmark = [pytest.mark.slow,
              pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")]  # visdom's own call


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("visdom")) as server:
        yield server


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
    assert window["content"]["layout"]["title"] == ""  # the page would show it in the plot again
    assert window["content"]["layout"]["showlegend"] is True
    assert not view_threads()
    assert capsys.readouterr() == ("", "")


def test_what_is_measured_has_a_window_of_its_own(server):
    view = server.open("validation")
    view.plot_losses(1.0, {"L1": 2.0})
    view.plot_validation(1.0, {"L1": 0.5})
    view.close(timeout=30)
    assert server.curves("validation") == {"L1": ([1.0], [2.0])}
    assert server.curves("validation", "3") == {"L1": ([1.0], [0.5])}
    assert server.window("3", "validation")["title"] == "maps validation"


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
    assert window["title"] == "maps: real_A | fake_B // small"
    assert window["content"]["caption"] is None  # the page would show it twice
    assert (window["width"], window["height"]) == (400, round(400 * expected.shape[0] / expected.shape[1]))


def test_a_new_run_starts_with_empty_windows(server):
    for value in (1.0, 2.0):
        address = "127.0.0.1"  # a name without scheme will do
        view = open_live_view(1, address, server.port, "again", 4, 256, "maps", print)
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


def test_a_training_fills_the_windows_that_its_flags_name(server, train, dataroot):
    train(f"--model template --display_id 7 --display_server {HOST} --display_port {server.port} --display_env streets "
          "--display_ncols 2 --display_winsize 90 --display_freq 4 --print_freq 2 --serial_batches --no_flip "
          "--load_size 32")
    (name, (x, y)), = server.curves("streets", "7").items()
    assert (name, x) == ("G", [0.5, 1.0]) and min(y) > 0
    window = server.window("8", "streets")
    assert (window["title"], window["width"]) == ("run: real_A | fake_B // real_B", 2 * 90)
    shown = pixels(window)
    assert shown.shape == (32 + GAP + 32, 32 + GAP + 32, 3)
    np.testing.assert_array_equal(shown[:32, :32], read_pixels(dataroot / "train" / "4.png")[:, :32])


# No view

def test_display_id_0_is_silent_and_does_not_import_visdom():
    script = (
        "import sys; from pages.live_view import open_live_view; "
        "assert open_live_view(0, 'http://localhost', 8097, 'main', 4, 256, 'maps', print) is None; "
        "assert 'visdom' not in sys.modules"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_no_server_is_said_in_one_line(capsys):
    port = free_port()
    assert open_live_view(1, HOST, port, "main", 4, 256, "maps", print) is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert f"no visdom server answers at {HOST}:{port}, training goes on without it" in said
    assert f"`python -m visdom.server -port {port}`" in said and "`--display_id 0`" in said


def test_missing_visdom_is_said_in_one_line(server, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "visdom", None)
    assert open_live_view(1, HOST, server.port, "main", 4, 256, "maps", print) is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert '`pip install "setuptools<81"`' in said  # later ones cannot build it
    assert '`pip install --no-build-isolation visdom "tornado<6.6"`' in said and "--display_id 0" in said


def test_a_port_that_accepts_and_never_answers_is_no_server(capsys):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert finish(lambda: open_live_view(1, HOST, mute.getsockname()[1], "main", 4, 256, "maps", print) is None)
    assert capsys.readouterr().out.count("\n") == 1
