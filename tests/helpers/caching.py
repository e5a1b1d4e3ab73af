"""Loaders with a cache."""
from pathlib import Path

from data.cache import ImageCache
from data.loader import Loader
from data.scaled import ImageFile
from helpers.loading import open_on
from raster.view import read_image


def open_cached(root: Path, cache: str, line: str, needs: tuple[str, ...] = ("A", "B")) -> Loader:
    return open_on(root, f"--checkpoints_dir {root.parent}/runs --cache {cache} {line}", needs=needs)


def images(folder: Path) -> list[ImageFile]:
    return [ImageFile(path, (3,)) for path in sorted(folder.iterdir())]


def fill(*caches: ImageCache) -> None:
    """Reads all files of the caches, here or in another process."""
    for cache in caches:
        for file in cache.layout:
            cache.read(file, lambda file: [read_image(file.path, 3)])
