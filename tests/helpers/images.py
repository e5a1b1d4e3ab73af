"""Small pictures to train on, and what a network makes of one."""
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

STORED = {  # by orientation of EXIF and TIFF: how the pixels of the upright picture lie in the file
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: upright.transpose(1, 0, 2)[::-1],
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: upright.transpose(1, 0, 2)[:, ::-1],
}


def write_image(path: Path, width: int = 32, height: int = 32, seed: int = 0) -> Path:
    """A smooth, colourful RGB image, different for each seed."""
    rng = np.random.default_rng(seed)
    corners = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    corners.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def write_pairs(folder: Path, count: int, side: int = 32) -> Path:
    """Aligned images A|B of side x side each, named 1.png, 2.png, ..."""
    for number in range(1, count + 1):
        write_image(folder / f"{number}.png", 2 * side, side, seed=number)
    return folder


def bands(seed: int, channels: int, dtype: str = "uint16", low: float = 0, high: float = 4095, side: int = 32
          ) -> np.ndarray:
    """Noise of many bands, (side, side, channels), with both ends of its range."""
    rng = np.random.default_rng(seed)
    values = low + (high - low) * rng.random((side, side, channels))
    values[0, 0], values[0, 1] = low, high
    return (values.round() if np.issubdtype(dtype, np.integer) else values).astype(dtype)


def read_pixels(path: Path) -> np.ndarray:
    """The image as uint8 (H, W, 3)."""
    return np.asarray(Image.open(path).convert("RGB"))


def answer_by_hand(net: Any, image: np.ndarray) -> np.ndarray:
    """What a generator makes of an image, both uint8 (H, W, 3) or (H, W)."""
    import torch

    x = torch.from_numpy(image.astype(np.float32) / 127.5 - 1)
    x = x[None, None] if x.ndim == 2 else x.permute(2, 0, 1)[None]
    with torch.no_grad():
        y = net(x)[0]
    return ((y + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
