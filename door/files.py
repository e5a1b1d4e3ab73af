"""From file to file: a picture, an animated one, or a video."""
from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from door.animation import ANIMATED, is_animated, translate_animation
from door.given import as_image
from raster.picture import Picture
from util.errors import UserError
from util.files import write_atomically

if TYPE_CHECKING:
    from door.translator import Translator

VIDEOS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
READ_VIDEOS = (*VIDEOS, ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp")
Progress = Callable[[int, int], None]
"""Is told (frames done, frames in all; 0 where that is not known)."""


def translate_file(translator: Translator, source: Path, target: Path, batch_size: int, progress: Progress
                   ) -> list[str]:
    """Translate a file into another one, whose ending says its format; returns notices.

    UserError when the source cannot be read, is the target itself, or the target cannot hold what it becomes.
    """
    require_another(source, target)
    if moves(source, target):
        if is_video(source) or is_video(target):
            from door.video import translate_video
            return translate_video(translator, source, target, VIDEOS, batch_size, progress)
        return translate_animation(translator, source, target, batch_size, progress)
    for _, picture in translator.pictures([source]):
        write(target, picture)
    progress(1, 1)
    return [f"note: {source} is animated, and a {target.suffix} file is not: the first frame is translated"
            ] if is_animated(source) else []


def moves(source: Path, target: Path) -> bool:
    """Whether the source becomes a video or an animated picture."""
    return is_video(source) or is_video(target) or (target.suffix.lower() in ANIMATED and is_animated(source))


def is_video(path: Path) -> bool:
    """Whether the ending is that of a video."""
    return path.suffix.lower() in READ_VIDEOS


def require_another(source: Path, target: Path) -> None:
    """UserError when a translation would replace its own source."""
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f"{target} is the input itself, which is never replaced; give another file")


def write(path: Path, picture: Picture) -> None:
    """The picture as a file, whose format its ending says. UserError when that cannot hold it."""
    image = as_image(picture)
    formats = Image.registered_extensions()
    if not isinstance(image, Image.Image) or formats.get(path.suffix.lower()) not in Image.SAVE:
        channels = picture.values.shape[2]
        raise UserError(f"{path}: a {path.suffix or 'file without ending'} cannot hold {channels} channels of "
                        f"{picture.values.dtype}; give another ending, such as .png or .tif")
    buffer = io.BytesIO()
    image.save(buffer, formats[path.suffix.lower()])
    write_atomically(path, buffer.getvalue())
