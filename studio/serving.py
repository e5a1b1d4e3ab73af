"""The server of the app: on this machine only, or behind a password, and silent towards everybody else."""
from __future__ import annotations

import getpass
import hmac
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from util.errors import UserError
from util.extra import library

if TYPE_CHECKING:
    from studio.home import Home

LOOPBACK = "127.0.0.1"
PORTS = range(7860, 7960)  # of which the first free one is taken, where none is asked for
PASSWORD = "BOTHWAYS_PASSWORD"
FONT = ("system-ui", "sans-serif")  # the font that comes with gradio has bold letters for a few words only
MONO = ("ui-monospace", "monospace")
LARGEST_UPLOAD = 8 << 30  # bytes


class Place(NamedTuple):
    """Where the app listens. port: None for the first free one of PORTS."""

    host: str
    port: int | None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)

    def free_port(self) -> int:
        """The port, which nothing else listens on. UserError when there is none, or no such address."""
        if self.port is not None and not 0 < self.port < 1 << 16:
            raise UserError(f"--port {self.port} is none; expected 1 to 65535, such as {PORTS[0]}")
        for port in PORTS if self.port is None else [self.port]:
            try:
                family, kind, *_, address = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)[0]
                with socket.socket(family, kind) as probe:
                    if os.name != "nt":  # where it would let two listen at one port
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(address)
                    return port
            except (socket.gaierror, UnicodeError) as error:
                raise UserError(f"--host {self.host} --port {port} is no address to listen on ({error})") from None
            except OSError as error:
                reason = error
        raise UserError(f"nothing can listen on {self.host} at port {self.port or f'{PORTS[0]} to {PORTS[-1]}'} "
                        f"({reason.strerror}); is the app running already? Else give another --port")


def serve(home: Home, place: Place, ask: bool, open_browser: bool) -> None:
    """Serve the page until Ctrl-C or a signal to end. ask: for a password.

    Raises UserError where that is not possible, or not wise: other machines reach it and no password is given.
    """
    password = chosen_password(place, ask)
    port = place.free_port()
    with ended_by_signals() as ended, private_folder() as own:
        gradio = import_gradio(own)
        from starlette.middleware import Middleware

        from studio.guard import Guard
        from studio.page import build_page
        page = build_page(home)
        page.launch(
            server_name=place.host, server_port=port, inbrowser=open_browser, share=False, quiet=True, pwa=False,
            auth=None if password is None else lambda _, given: hmac.compare_digest(given.encode(), password.encode()),
            auth_message="Any name will do. The password is the one that the app was started with.",
            allowed_paths=[str(own)], max_file_size=LARGEST_UPLOAD, footer_links=[], run_history=False, ssr_mode=False,
            mcp_server=False, enable_monitoring=False, num_workers=0, root_path="", prevent_thread_lock=True,
            theme=gradio.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONT, font_mono=MONO),
            css=STYLE.read_text(encoding="utf-8"),
            app_kwargs={"middleware": [Middleware(Guard, local=place.is_loopback)], "docs_url": None,
                        "redoc_url": None})
        print(f"the app: http://{f'[{place.host}]' if ':' in place.host else place.host}:{port}\n"
              f"it reads: {', '.join(map(str, home.folders))}\nCtrl-C ends it; trainings go on", flush=True)
        while not ended.wait(0.5):  # Windows hears Ctrl-C between two waits alone
            pass
        page.close(verbose=False)
    print("the app has ended")


STYLE = Path(__file__).with_name("app.css")


def is_loopback(host: str) -> bool:
    """Whether this name or address leads to this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def chosen_password(place: Place, ask: bool) -> str | None:
    """The password, None for none; no process that the app starts is told it. UserError when there should be one."""
    given = os.environ.pop(PASSWORD, None)
    if ask and not given:
        if not sys.stdin.isatty():
            raise UserError(f"--password asks for it, and nobody can type here; put it into the variable {PASSWORD}")
        given = getpass.getpass("password for the page: ")
    if (ask or not place.is_loopback) and not given:
        raise UserError(f"--host {place.host} lets other machines in, and they could read and delete what the app can: "
                        f"give --password, or put one into the environment variable {PASSWORD}. Without --host only "
                        "this machine reaches the app" if not ask else "an empty password is none; give another one")
    return given or None


def import_gradio(own: Path) -> Any:
    """gradio, which tells nobody of its use and keeps what it is given in the folder `own`. UserError without it."""
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1",
                   "GRADIO_TEMP_DIR": str(own)}
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(  # it asks itself whether it listens
        filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "localhost,127.0.0.1,::1"]))
    library("psutil", "app", "app.py")  # the Train room looks for its processes with it
    return library("gradio", "app", "app.py")


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user reads, for uploads and for what the page shows; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bothways-app-"))
    try:
        yield folder.resolve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and a request to end set."""
    ended = threading.Event()
    kinds = [signal.SIGINT, signal.SIGTERM]
    before = {kind: signal.signal(kind, lambda *_: ended.set()) for kind in kinds}
    try:
        yield ended
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
