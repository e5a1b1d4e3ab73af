"""Pictures side by side on white: plain, and as a figure for print with captions above and names at the left."""
import io
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from util.errors import UserError
from util.files import write_atomically

GAP = 4  # white pixels between two pictures
DPI = 300  # of a figure: a cell of 256 pixels is 22 mm wide in print, its caption 7 points high
CAPTION_LINES, NAME_LINES = 3, 2  # what is longer is cut
CUT = "..."


def picture_grid(pictures: Sequence[np.ndarray], columns: int, gap: int = GAP) -> np.ndarray:
    """Lay pictures out row by row on white.

    pictures: one or more, uint8 (H, W, 3); where sizes differ, the smaller ones are padded at the right and bottom.
    Returns uint8 (rows * (H + gap) - gap, columns * (W + gap) - gap, 3), H and W those of the largest.
    """
    cell_height = max(picture.shape[0] for picture in pictures) + gap
    cell_width = max(picture.shape[1] for picture in pictures) + gap
    rows = ceil(len(pictures) / columns)
    grid = np.full((rows * cell_height - gap, columns * cell_width - gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = row * cell_height, column * cell_width
        grid[top:top + picture.shape[0], left:left + picture.shape[1]] = picture
    return grid


def figure(rows: Sequence[Sequence[np.ndarray]], captions: Sequence[str], names: Sequence[str] = (), cell: int = 256
           ) -> np.ndarray:
    """A grid with a caption above each column and, where `names` are given, the name of each row at its left.

    rows: one or more, each a picture a column, uint8 (H, W, 3) of any size; cell: the width in pixels that each is
    brought to. Gaps are cell / 64 wide. Returns uint8 (height, width, 3), with the pictures in its lower right corner.
    """
    gap, font = max(1, cell // 64), _font(max(8, cell // 9))
    bands = [picture_grid([_of_width(picture, cell) for picture in row], len(row), gap) for row in rows]
    head = picture_grid(_texts(captions, font, [cell] * len(captions), CAPTION_LINES), len(captions), gap)
    lengths = [band.shape[0] for band in bands] if names else []
    sides = [np.rot90(text) for text in _texts(names, font, lengths, NAME_LINES)]
    left = sides[0].shape[1] + gap if sides else 0
    height = head.shape[0] + sum(gap + band.shape[0] for band in bands)
    result = np.full((height, left + head.shape[1], 3), 255, np.uint8)
    result[:head.shape[0], left:] = head
    top = head.shape[0] + gap
    for number, band in enumerate(bands):
        result[top:top + band.shape[0], left:] = band
        if sides:
            result[top:top + band.shape[0], :left - gap] = sides[number]
        top += band.shape[0] + gap
    return result


def save_figure(path: Path, picture: np.ndarray) -> None:
    """Write uint8 (H, W, 3) as PNG that says its resolution in print. Raises OSError."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True, dpi=(DPI, DPI))
    write_atomically(path, buffer.getvalue())


def _of_width(picture: np.ndarray, width: int) -> np.ndarray:
    """The picture so wide, in its shape. Several times its size it keeps its pixels as squares."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    way = Image.Resampling.LANCZOS if width % picture.shape[1] else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize((width, height), way))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The one that Pillow brings, of ASCII letters."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UserError("this Pillow draws no text of a given size (it was built without FreeType): pip install "
                        "--force-reinstall pillow")
    return font


def _texts(texts: Sequence[str], font: ImageFont.FreeTypeFont, widths: Sequence[int], most: int) -> list[np.ndarray]:
    """Each text in black on white, so wide, in at most so many lines; all of one height, which the longest needs."""
    wrapped = [_wrapped(_drawable(text), font, width, most) for text, width in zip(texts, widths, strict=True)]
    lines = max(map(len, wrapped), default=0)
    line_height = sum(font.getmetrics())
    drawn = []
    for own, width in zip(wrapped, widths, strict=True):
        image = Image.new("RGB", (width, lines * line_height), "white")
        for number, line in enumerate(own, lines - len(own)):  # close to what stands below
            ImageDraw.Draw(image).text((width / 2, number * line_height), line, "black", font, anchor="ma")
        drawn.append(np.asarray(image))
    return drawn


def _drawable(text: str) -> str:
    """The text without accents, and with ? for what the font lacks."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" else "?" for letter in " ".join(bare.split()))


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int, most: int) -> list[str]:
    """Lines that are no wider, broken behind blanks and - _ / where that is possible; CUT ends what is left out."""
    lines = [""]
    for word in re.findall(r"[^\s_/-]*[\s_/-]?", text):
        if lines[-1] and font.getlength((lines[-1] + word).rstrip()) > width:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength((lines[-1] + letter).rstrip()) > width:
                lines.append("")
            lines[-1] += letter
    if len(lines) <= most:
        return [line.strip() for line in lines]
    last = lines[most - 1]
    while last and font.getlength(last + CUT) > width:
        last = last[:-1]
    return [line.strip() for line in lines[:most - 1]] + [last + CUT]
