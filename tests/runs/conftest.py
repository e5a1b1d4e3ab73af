"""A training of twelve steps that saves after each."""
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.commands import TINY

LONG = "--n_epochs 2 --n_epochs_decay 1 --print_freq 1 --save_latest_freq 1 --no_html"


@pytest.fixture
def line(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], list[str]]:
    """Makes the words of a train.py line for a run of that name, and works in tmp_path."""
    monkeypatch.chdir(tmp_path)

    def words(name: str, more: str) -> list[str]:
        return f"--dataroot {dataroot} {TINY} {LONG} --name {name} {more}".split()
    return words
