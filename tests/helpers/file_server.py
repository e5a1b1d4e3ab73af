"""Servers of files on this machine."""
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


class Files(http.server.SimpleHTTPRequestHandler):
    """As `python -m http.server`, but silent."""

    def log_message(self, *words: object) -> None:
        """Silent."""


class Ranges(Files):
    """Serves files, and parts of them; cuts off the first answers of `cuts`."""

    cuts: list[int] = []
    asked: list[str] = []

    def do_GET(self) -> None:
        content = Path(self.translate_path(self.path))
        if not content.is_file():
            self.send_error(404)
            return
        data, begin = content.read_bytes(), 0
        self.asked.append(self.headers.get("Range", ""))
        if "Range" in self.headers:
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if begin >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin:begin + self.cuts.pop(0)] if self.cuts else data[begin:])


@contextmanager
def serving(folder: Path, handler: type[Files] = Files) -> Iterator[str]:
    """Serve a folder; gives the address."""
    server = http.server.ThreadingHTTPServer(("localhost", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
