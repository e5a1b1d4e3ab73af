"""Which images are found in a folder, in which order, and what is said when none are."""
import os
import shutil
from pathlib import Path

import pytest

import data
from data.base_dataset import BaseDataset
from data.folders import IMAGE_ENDINGS, NoImages, describe_tree, list_images, require_images
from data.held_out import open_validation
from data.transforms import Preprocess
from helpers.loading import open_on
from options.command_line import parse
from train import COMMAND
from util.errors import UserError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def make(root: Path, mode: str) -> BaseDataset:
    opt = parse(COMMAND, f"--dataroot {root} --dataset_mode {mode}".split())
    return data.find(mode)(opt, Preprocess(opt))


def listed(folder: Path, **limit: float) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_images(folder, **limit)]


def test_natural_order_through_subfolders(tmp_path: Path):
    names = ["1.png", "02.png", "2.png", "10.png", "day2/img9.jpg", "day2/img10.jpg", "day10/img1.jpg"]
    touch(tmp_path, *reversed(names))
    assert listed(tmp_path) == names
    assert listed(tmp_path, limit=3) == names[:3]


def test_odd_digits_and_equal_names_have_one_order(tmp_path: Path):
    names = ["1²3.png", "A.png", "a.png", "X/a.png", "x/a.png"]
    touch(tmp_path, *names)
    assert listed(tmp_path) == names


def test_endings_in_any_case_and_no_hidden_files(tmp_path: Path):
    touch(tmp_path, *(f"image{ending}" for ending in IMAGE_ENDINGS), "IMAGE.JPG", "photo.Tiff", "notes.txt", "png",
          "._image.png", ".hidden/image.png", "sub/.image.png")
    assert set(listed(tmp_path)) == {*(f"image{ending}" for ending in IMAGE_ENDINGS), "IMAGE.JPG", "photo.Tiff"}


def test_links_are_followed_and_loops_end(tmp_path: Path):
    touch(tmp_path, "elsewhere/1.png", "elsewhere/sub/2.png", "alone.png")
    folder = tmp_path / "trainA"
    folder.mkdir()
    os.symlink(tmp_path / "alone.png", folder / "file.png")
    for name in ("first", "second"):  # one folder under two names: its images count under both
        os.symlink(tmp_path / "elsewhere", folder / name)
    os.symlink(folder, tmp_path / "elsewhere" / "sub" / "up")
    os.symlink(folder, folder / "loop")
    assert listed(folder) == ["file.png", "first/1.png", "first/sub/2.png", "second/1.png", "second/sub/2.png"]


def test_a_missing_folder_is_empty(tmp_path: Path):
    touch(tmp_path, "file.png")
    assert list_images(tmp_path / "nowhere") == list_images(tmp_path / "file.png") == []


def test_the_tree_counts_images_two_levels_deep(tmp_path: Path):
    touch(tmp_path, "data/train/1.png", "data/train/2.jpg", "data/train/notes.txt", "data/a/b/c/1.png", "data/.git/x")
    assert describe_tree(tmp_path / "data").splitlines() == [
        "  data/  no files", "    a/  no files", "      b/  no files", "    train/  2 images, not read: 1 .txt"]
    assert describe_tree(tmp_path / "data/train/1.png").endswith("train/1.png (one file)")


def test_the_tree_of_a_large_folder_is_cut(tmp_path: Path):
    touch(tmp_path, *(f"{number}/x" for number in range(50)))
    lines = describe_tree(tmp_path).splitlines()
    assert len(lines) == 31 and lines[-1] == "  ..."


def test_a_missing_root_names_its_neighbours(tmp_path: Path):
    touch(tmp_path, "maps/1.png", "facades/1.png", "file.png")
    with pytest.raises(UserError) as error:
        require_images(str(tmp_path / "map"), [], "    TREE")
    assert str(error.value) == (f"--dataroot {tmp_path / 'map'} does not exist; beside it there are: facades, maps "
                                "(did you mean maps?).\n"
                                "expected:\n    TREE")


def test_an_empty_root_shows_what_is_found_and_what_is_expected(tmp_path: Path):
    touch(tmp_path, "maps/train/notes.txt")
    with pytest.raises(UserError) as error:
        require_images(str(tmp_path / "maps"), [], "    TREE", "\nHINT")
    assert str(error.value) == (f"no images for this dataset in --dataroot {tmp_path / 'maps'}.\n"
                                "found:\n  maps/  no files\n    train/  not read: 1 .txt\n"
                                f"read are {' '.join(IMAGE_ENDINGS)}\nexpected:\n    TREE\nHINT")
    assert require_images(str(tmp_path / "maps"), [Path("1.png")], "") is None


@pytest.mark.parametrize("mode", data.names())
def test_every_dataset_says_what_it_expects(tmp_path: Path, mode: str):
    (tmp_path / "maps" / "sub").mkdir(parents=True)
    said = r"maps2 does not exist; beside it there are: maps \(did you mean maps\?\).\nexpected:\n"
    with pytest.raises(UserError, match=said):
        make(tmp_path / "maps2", mode)
    said = r"no images for this dataset (.|\n)*found:\n  maps/  no files\n    sub/  no files\nexpected:\n    "
    with pytest.raises(UserError, match=said + str(tmp_path / "maps")):
        make(tmp_path / "maps", mode)


def test_pairs_given_to_unaligned_are_recognised(dataroot: Path):
    shutil.rmtree(dataroot / "trainB")
    with pytest.raises(UserError) as error:
        make(dataroot, "unaligned")
    assert "    train/  4 images\n    trainA/  4 images\n    val/  4 images\n" in str(error.value)
    assert str(error.value).endswith(
        f"expected:\n    {dataroot}/\n      trainA/   images of domain A\n      trainB/   images of domain B\n"
        "  or  train/A/, train/B/\n  or  trainA-000000.tar, ..., trainB-000000.tar, ...   shards of them\n"
        f"{dataroot}/train looks like pairs A|B: --model pix2pix or --dataset_mode aligned reads them.")


def test_piles_given_to_aligned_are_recognised(dataroot: Path):
    shutil.rmtree(dataroot / "train")
    (dataroot / "train").mkdir()
    with pytest.raises(UserError) as error:
        make(dataroot, "aligned")
    assert "    train/  no files\n    trainA/  4 images\n    trainB/  4 images\n" in str(error.value)
    expected = f"expected:\n    {dataroot}/\n      train/            pairs A|B side by side in one file\n"
    assert expected in str(error.value)
    assert str(error.value).endswith("These look like unpaired folders: --model cycle_gan or --dataset_mode unaligned "
                                     "reads them.")


def meant(dataroot: Path, line: str, **how) -> str:
    """The last line of what is said when there are no images."""
    with pytest.raises(NoImages) as error:
        open_on(dataroot, line, **how)
    return str(error.value).splitlines()[-1]


@pytest.mark.parametrize("mode", ["aligned", "unaligned", "colorization"])
def test_another_phase_is_suggested(dataroot: Path, mode: str):
    for folder in ("test", "testA", "testB"):
        shutil.rmtree(dataroot / folder)
    nc = "--input_nc 1 --output_nc 2" if mode == "colorization" else ""
    assert meant(dataroot, f"--dataset_mode {mode} {nc} --phase test") == "Did you mean --phase val ?"
    for folder in ("val", "valA", "valB"):
        shutil.rmtree(dataroot / folder)
    assert meant(dataroot, f"--dataset_mode {mode} {nc} --phase test") == "Did you mean --phase train ?"


def test_another_validation_phase_is_suggested(dataroot: Path):
    opt = parse(COMMAND, f"--dataroot {dataroot} --model pix2pix --lr_policy plateau --val_phase valid".split())
    said = r"--val_phase valid: no images for this dataset (.|\n)*Did you mean --val_phase val"
    with pytest.raises(UserError, match=said):
        open_validation(opt, ("A", "B"), 4, 8)


@pytest.mark.parametrize(("mode", "below", "phase", "said"), [
    ("aligned", "train", "train", "--dataroot ROOT"),
    ("unaligned", "trainA", "train", "--dataroot ROOT"),
    ("aligned", "nested/train/A", "train", "--dataroot ROOT/nested"),
    ("unaligned", "nested/train", "test", "--dataroot ROOT/nested --phase train"),
    ("unaligned", "..", "train", "--dataroot ROOT"),
    ("aligned", "..", "val", "--dataroot ROOT"),
])
def test_a_level_too_deep_or_too_high_is_noticed(dataroot: Path, mode: str, below: str, phase: str, said: str):
    for side in "AB":
        shutil.copytree(dataroot / f"train{side}", dataroot / "nested/train" / side)
    root = dataroot.parent if below == ".." else dataroot / below
    said = f"Did you mean {said} ?".replace("ROOT", str(dataroot))
    assert meant(root, f"--dataset_mode {mode} --phase {phase}") == said


def test_nothing_is_suggested_where_nothing_is(tmp_path: Path):
    (tmp_path / "maps/train").mkdir(parents=True)
    assert "Did you mean" not in meant(tmp_path / "maps", "--dataset_mode aligned")


def test_a_mistyped_root_is_recognised(dataroot: Path):
    assert "there are: dataset (did you mean dataset?)" in meant_root(dataroot.with_name("datset"))


def meant_root(root: Path) -> str:
    with pytest.raises(NoImages) as error:
        open_on(root, "")
    return str(error.value)
