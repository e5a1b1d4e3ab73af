"""Palettes: read, written, and found in label pictures."""
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from metrics.palette import Palette, find_palette, read_palette
from util.errors import UserError

COLOURS = [(0, 0, 222), (0, 48, 255), (0, 128, 255), (255, 80, 0), (174, 0, 0), (192, 255, 63), (0, 0, 142),
           (20, 0, 142)]  # the last two are not told apart in a JPEG


def labels(seed: int, quality: int | None, smooth: bool = False, colours: list = COLOURS, side: int = 128) -> Tensor:
    """(3, side, side): boxes and slanted bars of the colours; as a JPEG of that quality, or as it is."""
    rng = np.random.default_rng(seed)
    fine = 3 if smooth else 1
    image = Image.new("RGB", (side * fine, side * fine), colours[0])
    draw = ImageDraw.Draw(image)
    for number in range(20):
        x, y = rng.integers(0, side * fine, 2).tolist()
        w, h = (rng.integers(8, 50, 2) * fine).tolist()
        lean = int(rng.integers(0, 20)) * fine
        corners = [(x, y), (x + w, y + lean), (x + w, y + h + lean), (x, y + h)]
        draw.polygon(corners, fill=colours[number % len(colours)])
    return developed(image.reduce(fine), quality)


def developed(image: Image.Image, quality: int | None) -> Tensor:
    if quality:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        image = Image.open(file)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255


def photo(seed: int, grain: float) -> Tensor:
    """(3, 128, 128): smooth light with grain."""
    rng = np.random.default_rng(seed)
    light = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((128, 128), Image.Resampling.BICUBIC)
    return torch.from_numpy((np.array(light) + rng.normal(0, grain, (128, 128, 3))).clip(0, 255).round()
                            ).permute(2, 0, 1).float() / 255


def levels(palette: Palette) -> list[tuple[int, ...]]:
    return sorted(map(tuple, (palette.colours * 255).round().int().tolist()))


@pytest.mark.parametrize("smooth", [False, True], ids=["hard edges", "smooth edges"])
def test_exact_colours_are_found_however_close_they_are(smooth: bool):
    palette = find_palette(labels(seed, None, smooth) for seed in range(6))
    assert levels(palette) == sorted(COLOURS)
    counts = palette.classes(torch.stack([labels(seed, None) for seed in range(6)])).flatten().bincount().tolist()
    assert counts[0] == max(counts)  # the most frequent first
    assert palette.names[:2] == ["colour_1", "colour_2"]


@pytest.mark.parametrize("quality", [95, 75, 50])
def test_the_noise_of_jpeg_makes_no_classes(quality: int):
    palette = find_palette(labels(seed, quality, colours=COLOURS[:7]) for seed in range(6))
    found, painted = np.array(levels(palette)), np.array(COLOURS[:7])
    apart = np.abs(found[:, None] - painted).max(2)
    assert apart.shape == (7, 7) and sorted(apart.argmin(1)) == list(range(7)) and apart.min(1).max() <= 4


@pytest.mark.parametrize("grain", [0, 3, 12])
def test_photos_are_no_labels(grain: float):
    with pytest.raises(UserError, match="do not look like labels .* --palette FILE"):
        find_palette(photo(seed, grain) for seed in range(4))


def test_one_colour_or_no_picture_is_no_palette():
    with pytest.raises(UserError, match="do not look like labels"):
        find_palette([torch.zeros(3, 20, 20)])
    with pytest.raises(UserError, match="do not look like labels"):
        find_palette([])


def test_the_distances_of_large_pictures_are_not_all_kept_at_once(monkeypatch):
    palette = Palette("abc", torch.eye(3))
    classes = torch.randint(3, (2, 5, 7), generator=torch.Generator().manual_seed(0))
    seen = []
    cdist = torch.cdist
    monkeypatch.setattr("metrics.palette.AT_ONCE", 16)
    monkeypatch.setattr(torch, "cdist", lambda pixels, colours: seen.append(len(pixels)) or cdist(pixels, colours))
    assert palette.classes(torch.eye(3)[classes].permute(0, 3, 1, 2)).equal(classes)
    assert seen == [16, 16, 16, 16, 6]


def test_names_comments_and_lines_without_a_name(tmp_path: Path):
    path = tmp_path / "palette.txt"
    path.write_text("# the town\n\nmain road 250 198 72  # yellow\n255 255 255\n\tfield\t1 2 3\n")
    palette = read_palette(path)
    assert list(palette.names) == ["main road", "colour_2", "field"]
    assert (palette.colours * 255).round().int().tolist() == [[250, 198, 72], [255, 255, 255], [1, 2, 3]]


@pytest.mark.parametrize(("text", "message"), [
    ("wall 0 48 255\nroof 1 2\n", r"line 2: 'roof 1 2' is no class; .* wall 0 48 255"),
    ("wall 0 48 255\n\nroof 1 2 256\n", "line 3: 'roof 1 2 256' is no class"),
    ("wall 0 48 255\nroof 1 2 -3\n", "line 2: 'roof 1 2 -3' is no class"),
    ("wall 0 48 255\nred\n", "line 2: 'red' is no class"),
    ("wall 0 48 255\nwall 1 2 3\n", "line 2: wall stands in line 1 already"),
    ("wall 0 48 255\nroof 0 48 255\n", r"line 2: \(0, 48, 255\) stands in line 1 already"),
    ("# nothing\nwall 0 48 255", "has fewer than 2 classes"),
])
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, message: str):
    path = tmp_path / "palette.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_palette(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path):
    with pytest.raises(UserError, match=r"palette.txt cannot be read as a palette \(No such file"):
        read_palette(tmp_path / "palette.txt")
    (tmp_path / "palette.txt").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UserError, match="it is not a text file"):
        read_palette(tmp_path / "palette.txt")
