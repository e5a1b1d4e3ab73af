"""From file to file: a picture, an animated one, or a video."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.pages import chosen_pages
from data.paths import Paths
from door.animation import ANIMATED, is_animated, translate_animation
from raster.writing import write_pages, write_picture

if TYPE_CHECKING:
    from door.translator import Translator

VIDEOS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
READ_VIDEOS = (*VIDEOS, ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".3gp")
Progress = Callable[[int, int], None]
"""Is told (frames done, frames in all; 0 where that is not known)."""


def translate_file(translator: Translator, source: Path, target: Path, batch_size: int, progress: Progress
                   ) -> list[str]:
    """Translate a file into another one, whose ending says its format; returns notices.

    UserError when the source cannot be read, or the target cannot hold what it becomes.
    """
    if moves(source, target, translator.opt.page):
        if is_video(source) or is_video(target):
            from door.video import translate_video
            return translate_video(translator, source, target, VIDEOS, batch_size, progress)
        return translate_animation(translator, source, target, batch_size, progress)
    pages, _ = chosen_pages([source], translator.opt.page)
    looked, _, notices = translator.look_at(pages)
    made = (picture for _, picture in translator.pictures(looked, batch_size))
    if len(looked) > 1:
        write_pages(target, made, len(looked))
    else:
        write_picture(target, next(made))
    progress(len(looked), len(looked))
    return notices


def moves(source: Path, target: Path, page: str) -> bool:
    """Whether the source becomes a video or an animated picture. page: --page, which may ask for a frame of it."""
    animated = page == "1" and target.suffix.lower() in ANIMATED and is_animated(source)
    return is_video(source) or is_video(target) or animated


def are_videos(files: Paths) -> np.ndarray:
    """bool (files,): which of them are."""
    endings = tuple(map(os.fsencode, READ_VIDEOS))
    return np.fromiter((name.lower().endswith(endings) for name in files.names()), bool, len(files))


def is_video(path: Path) -> bool:
    """Whether the ending is that of a video."""
    return path.suffix.lower() in READ_VIDEOS
