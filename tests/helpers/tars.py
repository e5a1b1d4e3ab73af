"""Shards for tests, as `tar` and WebDataset write them."""
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def write_tar(path: Path, files: Mapping[str, bytes | Path]) -> Path:
    """A tar of these files by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def png(seed: int, width: int = 32, height: int = 32) -> bytes:
    """A smooth, colourful RGB image, different for each seed."""
    file = io.BytesIO()
    corners = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8))
    corners.resize((width, height), Image.Resampling.BICUBIC).save(file, "png")
    return file.getvalue()
