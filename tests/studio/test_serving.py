import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.commands import ROOT
from studio.guard import Guard
from studio.serving import PASSWORD, Place, chosen_password, import_gradio, is_loopback
from util.errors import UserError


def start(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """app.py, which must end by itself."""
    return subprocess.run([sys.executable, ROOT / "app.py", *words], cwd=folder, capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL, env={**os.environ, **environment})


def test_it_is_not_opened_to_others_without_a_password(tmp_path: Path):
    for words, said in ((["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines in"),
                        (["--password"], "nobody can type here"), (["missing"], "missing is not a folder")):
        done = start(tmp_path, *words)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr, words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("host", "alone"), [
    ("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.1.2.3", True), ("0.0.0.0", False), ("::", False),
    ("192.168.0.1", False), ("", False), ("evil.example", False), ("127.0.0.1.evil.example", False)])
def test_only_this_machine(host: str, alone: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    assert is_loopback(host) == Place(host, 1).is_loopback == alone
    if alone:
        assert chosen_password(Place(host, 1), False) is None
    else:
        with pytest.raises(UserError, match=PASSWORD):
            chosen_password(Place(host, 1), False)
    monkeypatch.setenv(PASSWORD, "x")
    assert chosen_password(Place(host, 1), False) == "x"
    assert PASSWORD not in os.environ  # which trainings get


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"nothing can listen on 127.0.0.1 at port {port} .*another --port"):
            Place("127.0.0.1", port).free_port()
    with pytest.raises(UserError, match="--host no.such.host --port 1 is no address"):
        Place("no.such.host", 1).free_port()
    for port in (0, -1, 65536):
        with pytest.raises(UserError, match=f"--port {port} is none; expected 1 to 65535"):
            Place("127.0.0.1", port).free_port()
    assert Place("127.0.0.1", None).free_port() in range(7860, 7960)


@pytest.mark.parametrize(("path", "host", "origin", "local", "refused"), [
    ("/", "127.0.0.1:7860", None, True, False), ("/", "localhost:8080", "http://localhost:8080", True, False),
    ("/", "[::1]:7860", None, True, False), ("/", "evil.example:7860", None, True, True),
    ("/", "", None, True, True), ("/", "127.0.0.1:7860", "http://127.0.0.1:80", True, True),
    ("/", "[::1", None, True, True), ("/", "localhost", "http://[", True, True),
    ("/", "127.0.0.1:7860", "http://evil.example", True, True), ("/", "127.0.0.1:7860", "null", True, True),
    ("/", "lab.example:7860", None, False, False), ("/", "lab.example", "http://evil.example", False, True),
    ("/gradio_api/file=/tmp/x.png", "localhost", None, True, False),
    ("/gradio_api/file=https://evil.example/x", "localhost", None, True, True),
    ("/gradio_api/file=HTTP%3a//evil.example/x", "localhost", None, True, True),
    ("/gradio_api/proxy=http://evil.example/x", "localhost", None, True, True)])
def test_what_is_refused(path: str, host: str, origin: str | None, local: bool, refused: bool):
    headers = [(b"host", host.encode())] + ([(b"Origin", origin.encode())] if origin else [])
    guard = Guard(lambda *_: pytest.fail("nothing is passed on"), local)
    assert guard.refuses({"type": "http", "path": path, "headers": headers}) == refused


@pytest.mark.parametrize(("site", "dest", "refused"), [
    (None, None, False), ("none", "document", False), ("same-origin", "empty", False), ("same-origin", "iframe", False),
    ("cross-site", "document", False), ("cross-site", "iframe", True), ("same-site", "script", True),
    ("cross-site", "image", True), ("cross-site", None, True)])
def test_what_pages_from_elsewhere_ask_for_is_refused_but_for_a_link(site: str | None, dest: str | None, refused: bool):
    headers = [(b"host", b"localhost"), (b"sec-fetch-site", site and site.encode()),
               (b"sec-fetch-dest", dest and dest.encode())]
    guard = Guard(lambda *_: pytest.fail("nothing is passed on"), True)
    scope = {"type": "http", "path": "/", "headers": [(name, value) for name, value in headers if value]}
    assert guard.refuses(scope) == refused


def test_without_gradio_the_extra_is_named(tmp_path: Path):
    code = ("import runpy, sys; sys.modules['gradio'] = None; sys.argv = ['app.py']\n"
            f"sys.path.insert(0, {str(ROOT)!r}); runpy.run_path({str(ROOT / 'app.py')!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "pip install .[app]" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["gradio", "psutil"])
def test_a_missing_library_is_told_with_its_extra(missing, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=rf"app.py needs {missing}, .* pip install \.\[app\]"):
        import_gradio(tmp_path)
