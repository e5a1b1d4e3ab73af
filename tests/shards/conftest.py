"""Servers of shards, and a place for copies of them."""
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.object_store import KEYS, put, s3_server
from shards import copies


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of copies, which may take 1 GB."""
    for name in (copies.FOLDER, copies.BYTES):
        monkeypatch.setenv(name, "")
    copies.keep(str(tmp_path / "copies"), 1)
    monkeypatch.setattr("shards.remote.PAUSE", 0)
    return tmp_path / "copies"


@pytest.fixture
def upload(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], str]:
    """Puts a folder into a bucket of its own; gives the bucket's URL. The environment says where the server is."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3_server()}.items():
        monkeypatch.setenv(name, value)
    return lambda folder: put(folder, "".join(letter for letter in tmp_path.name.lower() if letter.isalnum())[-40:])
