"""Pairs from a folder laid out as Cityscapes is."""
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import ROOT

sys.path.insert(0, str(ROOT / "datasets"))  # as for a script that is run from there
import prepare_cityscapes


def write(path: Path, left: tuple[int, int, int], right: tuple[int, int, int]) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16], pixels[:, 16:] = left, right
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    for phase, scenes in (("train", 3), ("val", 1)):
        for number in range(scenes):
            stem = f"{phase}/bern/bern_{number:06d}_000019"
            write(tmp_path / f"leftImg8bit/{stem}_leftImg8bit.png", (10 * number, 0, 0), (0, 200, 0))
            write(tmp_path / f"gtFine/{stem}_gtFine_color.png", (128, 64, 128), (70, 70, 70))
            write(tmp_path / f"gtFine/{stem}_gtFine_labelIds.png", (1, 1, 1), (2, 2, 2))
    return tmp_path


def command(folder: Path, *more: str) -> None:
    prepare_cityscapes.main(["--gtFine_dir", str(folder / "gtFine"), "--leftImg8bit_dir", str(folder / "leftImg8bit"),
                             "--output_dir", str(folder / "out"), *more])


def test_pairs_and_both_sides_with_exact_label_colours(cityscapes, capsys):
    command(cityscapes, "--size", "8")
    assert "3 pairs in train/, 1 pairs in val/" in capsys.readouterr().out
    out = cityscapes / "out"
    pair = np.asarray(Image.open(out / "train/3.png"))
    assert pair.shape == (8, 16, 3)
    assert np.array_equal(pair[:, :8], np.asarray(Image.open(out / "trainA/3.png")))
    assert np.array_equal(pair[:, 8:], np.asarray(Image.open(out / "trainB/3.png")))
    assert pair[0, 0].tolist() == [20, 0, 0]
    assert np.unique(pair[:, 8:].reshape(-1, 3), axis=0).tolist() == [[70, 70, 70], [128, 64, 128]]
    assert len(list((out / "valA").iterdir())) == 1


@pytest.mark.parametrize("gone, said", [
    ("leftImg8bit/val/bern/bern_000000_000019_leftImg8bit.png", "no *_leftImg8bit.png in"),
    ("gtFine/train/bern/bern_000001_000019_gtFine_color.png", "1 of 3 photos have no labels, such as")])
def test_missing_parts_are_named_before_anything_is_written(cityscapes, capsys, gone, said):
    (cityscapes / gone).unlink()
    with pytest.raises(SystemExit) as left:
        command(cityscapes)
    assert left.value.code == 2 and said in capsys.readouterr().err
    assert not (cityscapes / "out").exists()
