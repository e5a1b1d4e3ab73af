"""Files from the network: resumed where they were cut off, and under their name only when they are whole."""
import os
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from util.errors import MachineError

CHUNK = 1 << 20  # bytes
TIMEOUT = 30  # seconds without a byte
TRIES = 3  # of a file that is cut off; each goes on where the last one stopped

Told = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes there will be, None where the server does not say."""


class Unreachable(MachineError):
    """The server did not give the file; what came of it is kept, and the next try goes on from there."""


def fetch(url: str, path: Path, told: Told = lambda done, size: None) -> None:
    """Bring the file at `url` to `path`, by way of path.part. Unreachable when the server does not give all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    for left in reversed(range(TRIES)):
        before = part.stat().st_size if part.exists() else 0
        try:
            size = _receive(url, part, told)
        except HTTPError as error:
            if error.code != 416:  # beyond its end: what is there belongs to another file
                raise Unreachable(f"{url} answers {error.code} {error.reason}") from None
            part.unlink()
            continue
        except (OSError, HTTPException) as error:
            if not left or not isinstance(error, HTTPException | TimeoutError | ConnectionError):
                raise Unreachable(f"{url} cannot be reached ({getattr(error, 'reason', error)})") from None
            continue
        if size is None or part.stat().st_size == size:
            os.replace(part, path)
            return
        if part.stat().st_size == before:
            break
    raise Unreachable(f"{url} was cut off after {part.stat().st_size if part.exists() else 0} bytes")


def _receive(url: str, part: Path, told: Told) -> int | None:
    """Append what is missing to `part`; returns the size of the whole file where the server tells it."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        if done and answer.status != 206:  # a server that begins anew
            done = 0
        length = answer.headers.get("Content-Length")
        size = None if length is None else done + int(length)
        with open(part, "ab" if done else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                told(done, size)
    return size
