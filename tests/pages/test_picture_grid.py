"""Pictures side by side, pixel by pixel."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.images import read_pixels
from pages.picture_grid import figure, picture_grid, save_figure

COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200), (200, 200, 10), (10, 200, 200), (200, 10, 200)]


def plain(colour: tuple[int, int, int], height: int = 64, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_smaller_pictures_are_padded_with_white():
    grid = picture_grid([plain(COLOURS[0], 3, 2), plain(COLOURS[1], 1, 4), plain(COLOURS[2], 2, 2)], columns=2, gap=1)
    assert grid.shape == (7, 9, 3)
    for colour, (top, left, height, width) in zip(COLOURS, [(0, 0, 3, 2), (0, 5, 1, 4), (4, 0, 2, 2)], strict=False):
        assert (grid[top:top + height, left:left + width] == colour).all()
        grid[top:top + height, left:left + width] = 255
    assert (grid == 255).all()


@pytest.mark.parametrize("names", [(), ("one", "two")], ids=["", "names"])
def test_a_figure_has_its_pictures_in_order_and_thin_gaps(names):
    rows = [[plain(colour) for colour in COLOURS[:3]], [plain(colour, 32) for colour in COLOURS[3:]]]
    picture = figure(rows, ["a", "b", "c"], names, cell=128)  # gap 2; the second row is half as high
    height, width = 128 + 2 + 64, 3 * 128 + 2 * 2
    grid = picture[-height:, -width:].copy()
    for number, colour in enumerate(COLOURS):
        row, column = divmod(number, 3)
        block = grid[130 * row:130 * row + (64 if row else 128), 130 * column:130 * column + 128]
        assert (block == colour).all()
        block[...] = 255
    assert (grid == 255).all()
    assert (picture.shape[1] > width) == bool(names)


def test_captions_stand_above_their_columns_and_names_beside_their_rows():
    rows = [[plain(colour) for colour in COLOURS[:3]], [plain(colour) for colour in COLOURS[3:]]]
    captions, names = ["Input", "pix2pix", "Ground truth"], ["first", "the second"]
    picture = figure(rows, captions, names, cell=128)
    left, top = picture.shape[1] - (3 * 128 + 4), picture.shape[0] - (2 * 128 + 2)
    for column, caption in enumerate(captions):
        alone = figure([[plain(COLOURS[0])]], [caption], cell=128)
        here = picture[:top, left + 130 * column:left + 130 * column + 128]
        assert (here == alone[:-128]).all() and here.min() < 50
    for row, name in enumerate(names):
        alone = figure([[plain(COLOURS[0])]], [name], cell=128)[:-130]  # the same text, on its side
        here = picture[top + 130 * row:top + 130 * row + 128, :left - 2]
        assert (here == np.rot90(alone)).all() and here.min() < 50
    assert (picture[:top, :left] == 255).all()


def head(caption: str) -> np.ndarray:
    return figure([[plain(COLOURS[0])]], [caption], cell=128)[:-130]


def test_long_captions_are_broken_then_cut():
    one, two, three = (head(text).shape[0] for text in ("short", "two words that are long", "a_" * 200))
    assert (two, three) == (2 * one, 3 * one)
    assert (head("x" * 500) == head("x" * 600)).all()
    assert (head("long words that break") != head("long words that brake")).any()


@pytest.mark.parametrize("text, drawn", [("Müller é", "Muller e"), ("a\n\t b\0", "a b?"), ("漢", "?"), ("\udcff", "?")])
def test_letters_that_the_font_lacks(text, drawn):
    assert (head(text) == head(drawn)).all()


def test_a_caption_may_be_empty():
    assert (head("") == 255).all()


def test_pictures_keep_their_shape_and_small_ones_their_pixels():
    rng = np.random.default_rng(0)
    small, wide, large = (rng.integers(0, 256, (*size, 3), np.uint8) for size in ((16, 16), (50, 100), (256, 256)))
    picture = figure([[small, wide, large]], ["", "", ""], cell=64)[-64:]
    assert (picture[:, :64] == small.repeat(4, 0).repeat(4, 1)).all()
    expected = [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
                for image, size in ((wide, (64, 32)), (large, (64, 64)))]
    assert (picture[:32, 65:129] == expected[0]).all() and (picture[32:, 65:129] == 255).all()
    assert (picture[:, 130:] == expected[1]).all()


def test_a_figure_says_its_size_in_print(tmp_path: Path):
    path = tmp_path / "new" / "figure.png"
    save_figure(path, plain(COLOURS[0]))
    assert (read_pixels(path) == COLOURS[0]).all()
    assert [round(value) for value in Image.open(path).info["dpi"]] == [300, 300]
