"""Animated pictures, frame by frame: GIF, WebP and APNG. Durations and the number of rounds stay."""
from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageFile

from raster.bad_image import BadImage
from raster.pillow_files import open_image
from util.errors import UserError
from util.files import write_atomically

if TYPE_CHECKING:
    from door.translator import Translator

ANIMATED = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
LOOK = {"WEBP": {"lossless": True}}  # what else Pillow is told


def is_animated(path: Path) -> bool:
    """Whether the file holds an animated picture."""
    if path.suffix.lower() not in ANIMATED:
        return False
    try:
        with open_image(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except BadImage:  # whoever reads it says why
        return False


def translate_animation(translator: Translator, source: Path, target: Path, batch_size: int,
                        progress: Callable[[int, int], None]) -> list[str]:
    """Translate an animated picture into another one. BadImage, UserError when frames cannot be read or written."""
    with open_image(source, translator.opt.max_pixels) as image:
        count, durations, made = _count(image), list[float](), list[Image.Image]()
        for frame in translator.each(_frames(image, durations), batch_size):
            if not isinstance(frame, Image.Image):
                raise UserError(f"{target}: an animated picture is gray or RGB of 8 bits, and the generator gives "
                                f"{frame.shape[2]} channels of {frame.dtype}; translate its frames as files")
            made.append(frame)
            progress(len(made), count)
        rounds = {"loop": image.info["loop"]} if "loop" in image.info else {}
    buffer, format = io.BytesIO(), ANIMATED[target.suffix.lower()]
    made[0].save(buffer, format, save_all=True, append_images=made[1:], duration=durations, **rounds,
                 **LOOK.get(format, {}))
    write_atomically(target, buffer.getvalue())
    return []


def _count(image: ImageFile.ImageFile) -> int:
    return getattr(image, "n_frames", 1) - _shown_elsewhere(image)


def _shown_elsewhere(image: ImageFile.ImageFile) -> bool:
    """Whether the first frame is only for those who show no animation, as an APNG may have it."""
    return bool(image.info.get("default_image"))


def _frames(image: ImageFile.ImageFile, durations: list[float]) -> Iterator[Image.Image]:
    """The frames; notes how long each is shown, in milliseconds."""
    for number in range(int(_shown_elsewhere(image)), getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        durations.append(image.info.get("duration", 0))
        yield image.copy()
