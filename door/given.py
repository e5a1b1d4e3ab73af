"""What one gives to a translator, and the same kind back: files, bytes, Pillow images, numpy arrays, tensors."""
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from door.preparing import Preparing
from raster.picture import Origin, Picture
from util.errors import UserError

Given = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Tensor
KINDS = ("a path, the bytes of a file, a Pillow image, a numpy array (H, W) or (H, W, C), a tensor (C, H, W) or "
         "(B, C, H, W) in [-1, 1], or a list of these")


@dataclass(frozen=True)
class Taken:
    """A given picture, ready for the generator: (B, C, H, W) in [-1, 1]; B is 1 but for tensors with several images.

    give_back: makes of the translation, (B, C', H', W') in [-1, 1], what its giver gets.
    """

    units: Tensor
    give_back: Callable[[Tensor], Any]


def take(given: Given, preparing: Preparing) -> Taken:
    """What was given, ready for the generator. UserError for what is no picture, or one that does not fit it."""
    if isinstance(given, Tensor):
        return _take_tensor(given, preparing)
    picture = picture_of(given, preparing)
    prepared = preparing(picture, name_of(given))
    if isinstance(given, np.ndarray):
        return Taken(prepared.units, lambda made: _like_array(given, preparing.back(made, prepared).values))
    return Taken(prepared.units, lambda made: as_image(preparing.back(made, prepared)))


def take_file(path: Path, preparing: Preparing) -> Taken:
    """The picture in a file; given back are the file and a Picture that knows what it does. UserError as in `take`."""
    prepared = preparing(preparing.read(path), path)
    return Taken(prepared.units, lambda made: (path, preparing.back(made, prepared)))


def picture_of(given: Given, preparing: Preparing) -> Picture:
    """A given picture as an array. UserError for what is none."""
    if isinstance(given, (str, os.PathLike)):
        return preparing.read(Path(given))
    if isinstance(given, (bytes, bytearray, memoryview)):
        return preparing.decode(bytes(given))
    if isinstance(given, Image.Image):
        if 0 in given.size:
            raise UserError(f"an image of {given.width}x{given.height} pixels is no picture")
        return preparing.of_image(given)
    if isinstance(given, np.ndarray):
        if given.ndim not in (2, 3) or not given.size or given.dtype.kind not in "uif":
            raise UserError(f"an array of shape {given.shape} and type {given.dtype} is no picture; expected (H, W) or "
                            "(H, W, C) of whole or floating point numbers")
        values = np.asarray(given)  # what is derived from an array, such as a matrix, has ways of its own
        return Picture(values if values.ndim == 3 else values[:, :, None], Origin("array"))
    raise UserError(f"{type(given).__name__} is nothing that can be translated; expected {KINDS}")


def name_of(given: Given) -> Path:
    """What errors call it: its file, else its kind."""
    return Path(given) if isinstance(given, (str, os.PathLike)) else Path(f"<{type(given).__name__}>")


def as_image(picture: Picture) -> Image.Image | np.ndarray:
    """A gray or RGB picture of 8 bits as a Pillow image; others stay arrays (H, W, C), as Pillow has no such type."""
    values = picture.values
    if values.dtype != np.uint8 or values.shape[2] not in (1, 3):
        return values
    return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)


def _like_array(given: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The translation, (H, W, C) of the type that was given; (H, W) where such was given and it has one channel."""
    return values[:, :, 0] if given.ndim == 2 and values.shape[2] == 1 else values


def _take_tensor(given: Tensor, preparing: Preparing) -> Taken:
    """A tensor is prepared already: it is only padded where the generator takes no such size, and cropped back."""
    units = given if given.ndim == 4 else given[None]
    if given.ndim not in (3, 4) or not given.is_floating_point() or not given.numel():
        raise UserError(f"a tensor of shape {tuple(given.shape)} and type {given.dtype} is no picture; expected "
                        "floating point numbers in [-1, 1], (C, H, W) or (B, C, H, W)")
    if units.shape[1] != preparing.channels:
        raise UserError(f"the tensor has {units.shape[1]} channels, and the generator takes {preparing.channels}")
    height, width = units.shape[2:]

    def give_back(made: Tensor) -> Tensor:
        made = made[:, :, :height, :width].to(given.device, given.dtype)
        return made if given.ndim == 4 else made[0]
    return Taken(preparing.padded(units.detach().to(torch.float32)), give_back)
