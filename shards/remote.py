"""Files in an object store or on a web server, by their URLs: the one place that asks fsspec."""
from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from util.errors import MachineError, UserError
from util.extra import library

TRIES = 3  # of what the network broke off
PAUSE = 0.5  # seconds before the second try; each further one waits twice as long
SILENCE = 30  # seconds without a byte
LIBRARIES = {"s3": "s3fs", "s3a": "s3fs", "http": "aiohttp", "https": "aiohttp"}  # others say themselves what they lack
SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")
VERSION = ("ETag", "LastModified", "Last-Modified", "Content-MD5", "mtime", "updated")  # what stores tell of a file

Answer = TypeVar("Answer")


class Stat(NamedTuple):
    """What the server says of a file: its bytes, None where it does not tell, and a text that changes with them."""

    size: int | None
    version: str


class Unreachable(MachineError):
    """The server does not answer, or breaks off each time."""


def stat(url: str) -> Stat:
    """What the server says of the file. UserError when it is not there, or closed to us."""
    info = _asked(url, lambda system: system.info(url))
    told = [str(info[key]) for key in VERSION if info.get(key)]
    return Stat(info.get("size"), " ".join(told))


def exists(url: str) -> bool:
    """Whether the file is there; one that is closed to us is not."""
    try:
        stat(url)
    except Missing:
        return False
    return True


def content(url: str) -> bytes:
    """All bytes of a small file. Errors as in `stat`."""
    return _asked(url, lambda system: system.cat_file(url))


def matching(pattern: str) -> list[str]:
    """The URLs that match a pattern with * or ?, sorted; [] where there are none."""
    return _asked(pattern, lambda system: sorted(map(system.unstrip_protocol, system.glob(pattern))))


def inside(folder: str) -> list[str]:
    """The URLs of what lies in a folder, sorted; [] where there is none of that name."""
    def listed(system: Any) -> list[str]:
        return sorted(map(system.unstrip_protocol, system.ls(folder.rstrip("/") + "/", detail=False)))
    try:
        return _asked(folder, listed)
    except Missing:
        return []


def fetch(url: str, path: Path, size: int | None) -> None:
    """Bring the whole file to `path`, which may be half when this fails. Errors as in `stat`.

    size: what the server says it has; with fewer or more bytes the file is fetched again.
    """
    def fetched(system: Any) -> None:
        system.get_file(url, str(path))
        if size is not None and path.stat().st_size != size:
            raise ConnectionError(f"{path.stat().st_size} of {size} bytes came")
    _asked(url, fetched)


class Missing(UserError):
    """There is no file at that URL, or none that is open to us."""


def _asked(url: str, question: Callable[[Any], Answer]) -> Answer:
    """The answer of the URL's file system, asked again where the network broke off."""
    for tried in range(1, TRIES + 1):
        try:
            return question(_system(url))
        except UserError:
            raise
        except Exception as error:  # each store has its own, of which some are no OSError
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise  # of this machine's disk
            refusal = _refusal(url, error)
            if refusal:
                raise refusal from None
            if tried == TRIES:
                raise Unreachable(f"{url} could not be fetched, in {TRIES} tries: {_said(error)}. Does the server "
                                  "answer? For S3, AWS_ENDPOINT_URL says where it is") from None
            time.sleep(PAUSE * 2 ** (tried - 1))
    raise AssertionError("TRIES is at least 1")


def _system(url: str) -> Any:
    """fsspec's file system of a URL. Asked for anew each time: what a process had before it was forked does not work.
    """
    match = SCHEME.match(url)
    assert match is not None, url
    scheme = match[1]
    fsspec = library("fsspec", "shards", url)
    if scheme in LIBRARIES:
        library(LIBRARIES[scheme], "shards", url)
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme in ("http", "https"):  # it would give up after five minutes, in which a large file may still come
        timeout = library("aiohttp", "shards", url).ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
        options["client_kwargs"] = {"timeout": timeout}
    try:
        return fsspec.filesystem(scheme, **options)
    except (ValueError, ImportError) as error:
        raise UserError(f"{url}: {error}; known are s3://, https:// and what fsspec finds a library for") from None


def _refusal(url: str, error: BaseException) -> UserError | None:
    """What no further try would change, if it is that."""
    status = getattr(error.__cause__ or error, "status", None)  # of a web server, of which fsspec says "not found"
    missing = isinstance(error, FileNotFoundError) and not (url.startswith("http") and error.__cause__)  # to anything
    if isinstance(error, PermissionError) or status in (401, 403) or type(error).__name__.endswith("CredentialsError"):
        return Missing(f"{url} is closed to us ({_said(error)}). Credentials of S3 come from AWS_ACCESS_KEY_ID and "
                       "AWS_SECRET_ACCESS_KEY, or from ~/.aws; FSSPEC_S3_ANON=true does without, for what is public")
    if status in (404, 410) or missing:
        return Missing(f"{url} is not there; look at its name, and whether it was moved")
    return None


def _said(error: BaseException) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}".rstrip(": ")
