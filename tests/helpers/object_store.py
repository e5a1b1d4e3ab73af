"""Servers of shards on this machine: one that speaks S3, and one of the web that counts and cuts off."""
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from helpers.file_server import Files, serving

KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1"}


@cache
def s3_server() -> str:
    """The address of a server of objects that lives as long as this process."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    return "http://{}:{}".format(*server.get_host_and_port())


def put(folder: Path, bucket: str) -> str:
    """Everything in a folder as objects in a bucket; its URL. The environment must say where the server is."""
    import s3fs

    store = s3fs.S3FileSystem(use_listings_cache=False)
    store.makedirs(bucket, exist_ok=True)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.pipe_file(f"{bucket}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"s3://{bucket}"


class Counting(Files):
    """Serves files; knows what was fetched; sends only the first bytes of what is in `cuts`, as often as it says."""

    fetched: list[str] = []
    cuts: dict[str, int] = {}

    def do_GET(self) -> None:
        name = os.path.basename(self.path)
        self.fetched.append(name)
        if self.cuts.get(name, 0) <= 0:
            super().do_GET()
            return
        self.cuts[name] -= 1
        data = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2])
        self.close_connection = True


@contextmanager
def web_server(folder: Path) -> Iterator[tuple[str, type[Counting]]]:
    """Serve a folder; gives the address, and what counts."""
    handler = type("Counted", (Counting,), {"fetched": [], "cuts": {}})
    with serving(folder, handler) as address:
        yield address, handler
