"""From named image tensors to picture files."""
import hashlib
import io
import os
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from pages.bands import shown_bands
from shards.member import sample_key, split_member
from util.files import write_atomically
from util.names import split_ending

LONGEST = 200  # bytes of a name; a file name has at most 255, and _<label>.png is appended to it


Save = Callable[[Path, np.ndarray, float], None]
"""Saves one picture: its file, its pixels, its aspect ratio."""


def to_pictures(images: Tensor, bands: tuple[int, ...] = ()) -> np.ndarray:
    """(B, C, H, W) in [-1, 1] to uint8 (B, H, W, 3). bands: to show of many, see `shown_bands`."""
    shown = shown_bands(images.shape[1], bands)
    if len(shown) != images.shape[1] or shown != tuple(sorted(shown)):
        images = images[:, [band - 1 for band in shown]]
    pixels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def pictures(visuals: Mapping[str, Tensor], bands: tuple[int, ...] = ()) -> list[dict[str, np.ndarray]]:
    """The samples of a batch of named images, each as named pictures."""
    batch = {label: to_pictures(images, bands) for label, images in visuals.items()}
    return [dict(zip(batch, sample, strict=True)) for sample in zip(*batch.values(), strict=True)]


def first_pictures(visuals: Mapping[str, Tensor], bands: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    """The first sample of a batch of named images, as named pictures."""
    return pictures({label: images[:1] for label, images in visuals.items()}, bands)[0]


def stretched(picture: np.ndarray, aspect_ratio: float) -> Image.Image:
    """uint8 (H, W, 3), or (H, W) gray, as an image; a square becomes aspect_ratio as wide as high."""
    image = Image.fromarray(picture)
    if aspect_ratio > 1:
        return image.resize((round(image.width * aspect_ratio), image.height), Image.Resampling.BICUBIC)
    if aspect_ratio < 1:
        return image.resize((image.width, round(image.height / aspect_ratio)), Image.Resampling.BICUBIC)
    return image


def save_picture(path: Path, picture: np.ndarray, aspect_ratio: float = 1.0) -> None:
    """Write uint8 (H, W, 3), or (H, W) gray, as PNG; a square becomes aspect_ratio as wide as high."""
    image = stretched(picture, aspect_ratio)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_type=zlib.Z_RLE)  # photos become smaller than by default, in 2/3 of the time
    write_atomically(path, buffer.getvalue())


def save_visuals(folder: Path, name: str, visuals: Mapping[str, np.ndarray], aspect_ratio: float = 1.0,
                 save: Save = save_picture) -> list[tuple[str, str]]:
    """Write each picture to folder/<name>_<label>.png; returns (label, file relative to folder) in order."""
    rows = [(label, f"{name}_{label}.png") for label in visuals]
    for (_, file), picture in zip(rows, visuals.values(), strict=True):
        save(folder / file, picture, aspect_ratio)
    return rows


def result_names(files: Sequence[Path]) -> dict[str, str]:
    """The name of the results of each file: its path below the folder common to all, without the ending.

    Files that differ only in their ending keep it; a name too long for a label behind it is cut. Of files in shards it
    is the name of the sample, below the shard's own where two shards hold samples of one name.
    """
    inside = [split_member(path) for path in files]
    if all(inside):
        return _names_in_shards({str(path): place for path, place in zip(files, inside, strict=True) if place})
    root = os.path.commonpath([path.parent for path in files])
    full = {str(path): path.relative_to(root).as_posix() for path in files}
    short = {path: split_ending(name)[0] for path, name in full.items()}
    uses = Counter(short.values())
    return {path: _shortened(name if uses[name] == 1 else full[path]) for path, name in short.items()}


def _names_in_shards(places: Mapping[str, tuple[Path, str]]) -> dict[str, str]:
    """places: the shard of each file, and the name in it."""
    above = os.path.commonpath([shard.parent for shard, _ in places.values()])
    for named in (sample_key, str):  # both sides of a pair may be translated
        for several in (False, True):
            names = {path: f"{shard.relative_to(above).with_suffix('').as_posix()}/" * several + named(name)
                     for path, (shard, name) in places.items()}
            if len(set(names.values())) == len(names):
                return {path: _shortened(name) for path, name in names.items()}
    raise AssertionError("files of one shard have names of their own")


def _shortened(name: str) -> str:
    """`name` with its last part cut to LONGEST bytes; a digest keeps it distinct."""
    folder, last = os.path.split(name)
    encoded = os.fsencode(last)
    if len(encoded) <= LONGEST:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return os.path.join(folder, f"{encoded[:LONGEST - 17].decode(errors='ignore')}-{digest}")


class UniqueNames:
    """Hands out names; one that was handed out before gets _2, _3, ... appended."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def __call__(self, name: str) -> str:
        """`name`, or the first of name_2, name_3, ... that is free."""
        unique, number = name, 1
        while unique in self.taken:
            number += 1
            unique = f"{name}_{number}"
        self.taken.add(unique)
        return unique


def facts(model: str, data: str, epoch: str, changed: Mapping[str, object], when: str = "") -> dict[str, str]:
    """The header of a page; `changed`: the options that differ from their defaults; when: it is written, if known."""
    shown = {name: value for name, value in changed.items() if name not in ("name", "model", "dataroot")}
    options = "  ".join(f"{name}={value}" for name, value in shown.items()) or "all at their defaults"
    return {"model": model, "data": data, "epoch": epoch, "options": options, **({"written": when} if when else {})}
