"""Runs whose translations are lively, and pictures to translate."""
from collections.abc import Callable
from pathlib import Path

import pytest

import bothways
from door.translator import Translator
from helpers.images import write_image


@pytest.fixture
def load(trained: Callable[..., Path]) -> Callable[..., Translator]:
    """Trains as the line says, if nobody has, and loads that run on the CPU."""
    def run(line: str, **options: object) -> Translator:
        return bothways.load(trained(line), device="cpu", **options)
    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_image(tmp_path / "photos" / "photo.png", 40, 36, seed=1)
