"""Two folders become pairs, with the flags of the classic script."""
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import ROOT

sys.path.insert(0, str(ROOT / "datasets"))  # as for a script that is run from there
import combine_A_and_B


def write(path: Path, gray: int, size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (gray, gray, gray)).save(path)


def command(folder: Path, *more: str) -> None:
    combine_A_and_B.main([*(word for name in ("A", "B", "AB") for word in (f"--fold_{name}", str(folder / name))),
                          "--no_multiprocessing", *more])


@pytest.mark.parametrize("names, flags", [(("1.png", "1.png"), []), (("1_A.png", "1_B.png"), ["--use_AB"])])
def test_pairs_lie_side_by_side_under_their_name(tmp_path, capsys, names, flags):
    for split in ("train", "test"):
        write(tmp_path / "A" / split / names[0], 10)
        write(tmp_path / "B" / split / names[1], 200)
    write(tmp_path / "A/train" / names[0].replace("1", "2"), 10)
    command(tmp_path, *flags)
    pair = np.asarray(Image.open(tmp_path / "AB/train/1.png"))
    assert pair.shape == (4, 12, 3) and (pair[:, :6] == 10).all() and (pair[:, 6:] == 200).all()
    assert sorted(path.relative_to(tmp_path / "AB").as_posix() for path in (tmp_path / "AB").rglob("*.png")) == [
        "test/1.png", "train/1.png"]
    out = capsys.readouterr().out
    assert f"1 images in {tmp_path}/A/train and {tmp_path}/B/train have no partner" in out and "AB: 2 pairs" in out


def test_at_most_so_many_and_several_processes(tmp_path):
    for number in range(5):
        write(tmp_path / f"A/train/{number}.png", number)
        write(tmp_path / f"B/train/{number}.jpg", 100 + number)  # endings may differ
    combine_A_and_B.main(["--fold_A", str(tmp_path / "A"), "--fold_B", str(tmp_path / "B"), "--fold_AB",
                          str(tmp_path / "AB"), "--num_imgs", "3"])
    assert sorted(path.name for path in (tmp_path / "AB/train").iterdir()) == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("files, said", [
    ({"A/train/1.png": (6, 4)}, "have no folder in common; found train and none"),
    ({"A/train/1.png": (6, 4), "B/train/2.png": (6, 4)}, "no image in"),
    ({"A/train/1.png": (6, 4), "B/train/1.png": (6, 5)}, "a pair must have one size, found")])
def test_what_cannot_be_combined_is_told(tmp_path, capsys, files, said):
    for name, size in files.items():
        write(tmp_path / name, 9, size)
    with pytest.raises(SystemExit) as left:
        command(tmp_path)
    assert left.value.code == 2 and said in capsys.readouterr().err
