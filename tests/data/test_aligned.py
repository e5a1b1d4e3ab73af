"""Pairs: two halves of a file, or two folders, and what is said when they do not fit each other."""
import random
from pathlib import Path

import pytest
import torch
from PIL import Image

from data.pixels import to_tensor
from helpers.datasets import PLAIN, doubts, make, names, tensor
from helpers.images import write_image
from util.errors import UserError


def test_aligned_files_are_split_in_the_middle(dataroot: Path):
    left, right = (tensor(dataroot / "train/2.png", box) for box in ((0, 0, 32, 32), (32, 0, 64, 32)))
    there, back = (make(dataroot, "aligned", f"{PLAIN} --direction {way}").sample(1, random.Random(0))
                   for way in ("AtoB", "BtoA"))
    assert torch.equal(there["A"], left) and torch.equal(there["B"], right)
    assert torch.equal(back["A"], right) and torch.equal(back["B"], left)
    assert names([there["A_paths"], there["B_paths"]]) == ["2.png", "2.png"]


def test_an_odd_width_leaves_out_the_middle(tmp_path: Path):
    path = write_image(tmp_path / "train/1.png", 65, 32)
    sample = make(tmp_path, "aligned").sample(0, random.Random(0))
    assert torch.equal(sample["A"], tensor(path, (0, 0, 32, 32)))
    assert torch.equal(sample["B"], tensor(path, (33, 0, 65, 32)))
    with pytest.raises(UserError, match=r"1.png is 1x32 pixels; expected a pair A|B side by side"):
        make(tmp_path, "aligned").planned_size(path, (1, 32))


@pytest.mark.parametrize(("folder_A", "folder_B"), [("train/A", "train/B"), ("trainA", "trainB")])
def test_two_folders_are_matched_by_name(tmp_path: Path, folder_A: str, folder_B: str):
    for number, name in enumerate(["10.png", "2.bmp", "sub/2.png", "only.png"]):
        write_image(tmp_path / folder_A / name, seed=number)
    for number, name in enumerate(["10.PNG", "2.png", "sub/2.tif", "sub/10.png"]):
        write_image(tmp_path / folder_B / name, seed=10 + number)
    dataset = make(tmp_path, "aligned")
    A, B = tmp_path / folder_A, tmp_path / folder_B
    assert dataset.notices == [f"note: 2 images in {A} and {B} have no partner of the same name:\n  {A / 'only.png'}\n"
                               f"  {B / 'sub/10.png'}\nThe 3 pairs are used."]
    pairs = [(A / "2.bmp", B / "2.png"), (A / "10.png", B / "10.PNG"), (A / "sub/2.png", B / "sub/2.tif")]
    assert dataset.sources() == [path for path, _ in pairs]
    for index, (path_A, path_B) in enumerate(pairs):
        sample = dataset.sample(index, random.Random(0))
        assert (sample["A_paths"], sample["B_paths"]) == (str(path_A), str(path_B))
        assert torch.equal(sample["A"], tensor(path_A)) and torch.equal(sample["B"], tensor(path_B))
    back = make(tmp_path, "aligned", f"{PLAIN} --direction BtoA")
    assert back.sources() == [path for _, path in pairs]
    assert back.sample(0, random.Random(0))["A_paths"] == str(pairs[0][1])


def test_files_of_equal_name_are_not_dropped_in_silence(tmp_path: Path):
    for name in ("trainA/1.png", "trainB/1.bmp", "trainB/1.png"):
        write_image(tmp_path / name)
    dataset = make(tmp_path, "aligned")
    assert len(dataset) == 1 and f"  {tmp_path / 'trainB/1.bmp'}\nThe 1 pairs" in dataset.notices[0]


def test_of_several_files_with_one_name_the_ending_decides(tmp_path: Path):
    for name in ("A/1.jpg", "A/1.png", "B/1.png", "A/2.jpg", "A/2.png", "B/2.png", "B/2.jpg"):
        write_image(tmp_path / f"train{name}")
    dataset = make(tmp_path, "aligned")
    assert [[path.name for path in pair] for pair in dataset.pairs] == [["1.png"] * 2, ["2.jpg"] * 2, ["2.png"] * 2]
    assert f"note: 1 images in {tmp_path}/trainA and {tmp_path}/trainB have no partner" in dataset.notices[0]
    write_image(tmp_path / "trainA/3.jpg")
    write_image(tmp_path / "trainA/3.png")
    write_image(tmp_path / "trainB/3.bmp")
    with pytest.raises(UserError, match=r"a pair: .*A/3.jpg, .*A/3.png and .*B/3.bmp; leave one on each side"):
        make(tmp_path, "aligned")


@pytest.mark.parametrize("mode", ["crop", "none", "scale_width", "scale_width_and_crop"])
def test_pairs_of_two_sizes_are_refused_before_the_first_step(tmp_path: Path, mode: str):
    for number, height in enumerate((40, 48, 50)):
        write_image(tmp_path / f"trainA/{number}.png", 40, 40)
        write_image(tmp_path / f"trainB/{number}.png", 40, height)
    dataset = make(tmp_path, "aligned", f"--preprocess {mode} --load_size 40 --crop_size 32")
    said = r"found .*A/1.png with 40x40 and .*B/1.png with 40x48, and 1 more such pairs; use"
    with pytest.raises(UserError, match=said):
        doubts(dataset)
    dataset.leave_out({tmp_path / "trainA/1.png", tmp_path / "trainB/2.png"})
    assert doubts(dataset) == []
    dataset = make(tmp_path, "aligned", "--load_size 40 --crop_size 32")
    assert doubts(dataset) == []


def test_no_pair_left_is_an_error(tmp_path: Path):
    write_image(tmp_path / "trainA/1.png")
    write_image(tmp_path / "trainB/2.png")
    with pytest.raises(UserError, match=r"2 images in (.|\n)*trainA/1.png\n(.|\n)*trainB/2.png\nNo pair is left."):
        make(tmp_path, "aligned")


def test_both_sides_of_a_pair_get_the_same_crop_and_flip(tmp_path: Path):
    write_image(tmp_path / "half.png", 40, 40)
    half, pair = Image.open(tmp_path / "half.png"), Image.new("RGB", (80, 40))
    for left in (0, 40):
        pair.paste(half, (left, 0))
    (tmp_path / "train").mkdir()
    pair.save(tmp_path / "train/1.png")
    dataset = make(tmp_path, "aligned", "--load_size 36 --crop_size 32")
    samples = [dataset.sample(0, random.Random(seed)) for seed in range(50)]
    assert all(torch.equal(sample["A"], sample["B"]) for sample in samples)
    scaled = to_tensor(half.resize((36, 36), Image.Resampling.BICUBIC))
    crops = {(x, y, flip): scaled[:, y:y + 32, x:x + 32].flip(2 if flip else ())
             for x in range(5) for y in range(5) for flip in (False, True)}
    seen = [next(key for key, crop in crops.items() if torch.equal(crop, sample["A"])) for sample in samples]
    assert len(set(seen)) > 20 and {flip for _, _, flip in seen} == {False, True}


def test_pairs_of_two_sizes_are_scaled_to_one(tmp_path: Path):
    """A is a checkerboard, B the same twice as large: scaled, they must agree about where black and white are."""
    board = Image.new("L", (4, 4))
    board.putdata([255 * ((x + x // 4) % 2) for x in range(16)])
    for side, size in (("A", 36), ("B", 72)):
        (tmp_path / f"train{side}").mkdir()
        board.resize((size, size), Image.Resampling.NEAREST).save(tmp_path / f"train{side}/1.png")
    dataset = make(tmp_path, "aligned", "--load_size 36 --crop_size 32")
    for seed in range(50):
        sample = dataset.sample(0, random.Random(seed))
        assert (sample["A"] - sample["B"]).abs().mean() < 0.15  # 1 on average where the boards do not lie on each other
    said = (r"a pair must have one size, found .*trainA/1.png with 36x36 and .*trainB/1.png with 72x72; "
            "use --preprocess resize_and_crop")
    with pytest.raises(UserError, match=said):
        make(tmp_path, "aligned", "--preprocess crop --crop_size 32").sample(0, random.Random(0))


def test_pair_folders_in_any_case_and_misnamed_ones(tmp_path: Path):
    for side in "ab":
        write_image(tmp_path / "lower/train" / side / "1.png", seed=ord(side))
        write_image(tmp_path / "other/train" / {"a": "photos", "b": "labels"}[side] / "1.png", width=64)
    write_image(tmp_path / "half/train/A/1.png")
    assert names(list(make(tmp_path / "lower", "aligned").pairs[0])) == ["1.png", "1.png"]
    with pytest.raises(UserError, match="has only one of the two folders A and B"):
        make(tmp_path / "half", "aligned")
    assert "rename these folders to A and B" in make(tmp_path / "other", "aligned").notices[0]


def test_single_images_in_place_of_pairs_are_doubted(tmp_path: Path, dataroot: Path):
    photos = [write_image(tmp_path / f"photos/train/{number}.png", 32, 32, seed=number) for number in range(3)]
    dataset = make(tmp_path / "photos", "aligned")
    (said,) = dataset.doubts({path: dataset.planned_size(path, (32, 32)) for path in photos})
    assert "3 of 3 are not about twice as wide as high" in said
    pairs = make(dataroot, "aligned")
    assert pairs.doubts({path: pairs.planned_size(path, (64, 32)) for path in pairs.files()}) == []


@pytest.mark.parametrize("mode", ["scale_width", "scale_width_and_crop"])
def test_pairs_that_a_kept_width_stretches_are_doubted(tmp_path: Path, mode: str):
    """Both are lower than the crop when they are scaled, and raised to it."""
    for number, heights in enumerate([(20, 10), (20, 20)]):
        for side, height in zip("AB", heights, strict=True):
            write_image(tmp_path / f"train{side}/{number}.png", 100, height)
    (said,) = doubts(make(tmp_path, "aligned", f"--preprocess {mode} --load_size 40 --crop_size 32"))
    A, B = tmp_path / "trainA/0.png", tmp_path / "trainB/0.png"
    assert said == (f"warning: the two sides of 1 of 2 pairs have unlike proportions, such as {A} with 100x20 and {B} "
                    f"with 100x10; --preprocess {mode} stretches both to 40x32")
