"""The server of the app: on this machine only, or behind a password, and silent towards everybody else."""
from __future__ import annotations

import getpass
import hmac
import ipaddress
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from util.errors import UserError

if TYPE_CHECKING:
    from studio.home import Home

LOOPBACK = "127.0.0.1"
PASSWORD = "BOTHWAYS_PASSWORD"


class Place(NamedTuple):
    """Where the app listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def serve(home: Home, place: Place, ask: bool, open_browser: bool) -> None:
    """Serve the page until Ctrl-C. ask: for a password."""
    gradio = import_gradio()
    from studio.page import build_page
    build_page(home).launch(server_name=place.host, server_port=place.port, inbrowser=open_browser, share=False)


def import_gradio() -> Any:
    """gradio, silent. UserError when it is not installed."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio
    except ImportError as error:
        raise UserError(f"app.py needs gradio, which cannot be imported ({error}); install it with: "
                        "pip install .[app]") from None
    return gradio
