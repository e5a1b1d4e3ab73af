"""The classes of label pictures and their colours: written down in a file, or found in the pictures."""
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from util.errors import UserError

AT_ONCE = 2 ** 20  # pixels: their distances to 64 colours take 256 MB
EXAMPLE = "a class is a line of a name and its red, green and blue, 0 to 255, as in: wall 0 48 255"


@dataclass(frozen=True)
class Palette:
    """names: of the classes; colours: (K, 3) in [0, 1], one each."""

    names: Sequence[str]
    colours: Tensor

    def classes(self, pictures: Tensor) -> Tensor:
        """(B, H, W), int64: the class whose colour is nearest to each pixel. pictures: (B, 3, H, W) in [0, 1]."""
        pixels = pictures.permute(0, 2, 3, 1).reshape(-1, 3)
        colours = self.colours.to(pixels)
        nearest = torch.cat([torch.cdist(some, colours).argmin(1) for some in pixels.split(AT_ONCE)])
        return nearest.view(len(pictures), *pictures.shape[2:])


def read_palette(path: Path) -> Palette:
    """The palette in a text file: a line a class, `name R G B` or `R G B` (0 to 255); # begins a comment.

    UserError, with the number of the line, for a line that is none of these and for a name or colour that comes twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise UserError(f"{path} cannot be read as a palette ({reason}); {EXAMPLE}") from None
    first: dict[str | tuple[int, ...], int] = {}  # the line on which a name or a colour stands
    names: list[str] = []
    colours: list[tuple[int, ...]] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        colour = _colour(words[-3:])
        if colour is None:
            raise UserError(f"{path}, line {number}: {line.strip()!r} is no class; {EXAMPLE}")
        name = " ".join(words[:-3]) or f"colour_{len(names) + 1}"
        for said in (name, colour):
            if first.setdefault(said, number) != number:
                raise UserError(f"{path}, line {number}: {said} stands in line {first[said]} already; give each class "
                                "a name and a colour of its own")
        names.append(name)
        colours.append(colour)
    if len(names) < 2:
        raise UserError(f"{path} has fewer than 2 classes; {EXAMPLE}")
    return Palette(names, torch.tensor(colours) / 255)


def _colour(words: Sequence[str]) -> tuple[int, ...] | None:
    if len(words) != 3 or not all(re.fullmatch("[0-9]{1,3}", word) for word in words):
        return None
    colour = tuple(map(int, words))
    return colour if max(colour) <= 255 else None


# What follows was chosen on drawn maps (exact colours with smoothed edges) and JPEGs of labels at quality 50 to 95,
# against photos of houses, landscapes and towns.
WINDOW = 3  # pixels: of an area without edges, around which JPEG and smoothing mix the colours
CALM = 8  # gray levels: how much such an area may vary
ALIKE, ALIKE_EXACT = 24, 3  # gray levels: closer colours are one class, in pictures with and without compression
EXACT = 0.75  # the share of calm areas that are of one value where there is no compression
RARE = 0.0005  # the share of calm pixels below which a colour is no class
MOST_CLASSES = 64
FLAT_SHARE, NEAR, NEAR_SHARE = 0.05, 6, 0.8  # in labels, 5% of the pixels are calm, and 80% of these within 6 levels


def find_palette(pictures: Iterable[Tensor]) -> Palette:
    """The few colours that label pictures are painted with, the most frequent first.

    pictures: each (3, H, W) in [0, 1]. Only areas without edges are looked at, so that neither the noise of JPEG nor
    smoothed edges make classes. UserError when the pictures have no few colours, as photos.
    """
    counts = torch.zeros(256 ** 3, dtype=torch.int32)  # of calm pixels by colour
    pixels = constant = 0
    for picture in pictures:
        levels = (picture.cpu() * 255).round()[None]  # (1, 3, H, W)
        pixels += levels[0, 0].numel()
        if min(levels.shape[2:]) < WINDOW:
            continue
        varies = (F.max_pool2d(levels, WINDOW, 1) + F.max_pool2d(-levels, WINDOW, 1)).amax(1)[0]
        inner = levels[0, :, 1:-1, 1:-1].int()
        codes = (inner[0] * 256 + inner[1]) * 256 + inner[2]
        codes = codes[varies <= CALM]
        counts.index_add_(0, codes, torch.ones_like(codes))
        constant += int((varies == 0).sum())
    calm = int(counts.sum())
    colours, near = _peaks(counts, ALIKE_EXACT if constant >= EXACT * calm else ALIKE)
    if calm < FLAT_SHARE * pixels or near < NEAR_SHARE * calm or not 2 <= len(colours) <= MOST_CLASSES:
        raise UserError(
            f"the pictures do not look like labels painted with a few colours: {calm / max(pixels, 1):.0%} of their "
            f"pixels lie in areas of one colour, {near / max(calm, 1):.0%} of these near one of {len(colours)} most "
            f"frequent colours; expected at least {FLAT_SHARE:.0%}, {NEAR_SHARE:.0%} and 2 to {MOST_CLASSES}. If they "
            f"are labels, name their colours in a text file and give it with --palette FILE: {EXAMPLE}")
    return Palette([f"colour_{i}" for i in range(1, len(colours) + 1)], torch.tensor(colours) / 255)


def _peaks(counts: Tensor, alike: int) -> tuple[list[list[int]], int]:
    """The most frequent colours, each unlike those before it, and how many pixels lie within NEAR of them."""
    codes = counts.nonzero()[:, 0]
    left = counts[codes]
    colours = torch.stack((codes // 65536, codes // 256 % 256, codes % 256), 1)
    rest, least = int(left.sum()), RARE * int(left.sum())
    found: list[tuple[int, list[int]]] = []
    near = 0
    while rest > least and len(found) <= MOST_CLASSES:
        colour = colours[left.argmax()]
        away = (colours - colour).abs().amax(1)
        size = int(left[away <= alike].sum())
        near += int(left[away <= min(NEAR, alike)].sum())
        if size >= least:
            found.append((size, colour.tolist()))
        left[away <= alike] = 0
        rest -= size
    return [colour for size, colour in sorted(found, key=lambda peak: -peak[0])], near
