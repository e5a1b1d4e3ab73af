"""Which samples each dataset makes of which folders. A new dataset is enrolled by existing."""
import pickle
import random
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import data
from data.base_dataset import BaseDataset
from data.check import check_images
from data.readers import read_image
from data.transforms import to_tensor
from helpers.datasets import PLAIN, make
from helpers.images import write_image
from util.errors import UserError


def names(paths: list) -> list[str]:
    return [Path(path).name for path in paths]


def tensor(path: Path, box: tuple | None = None) -> torch.Tensor:
    return to_tensor(read_image(path, 3).crop(box) if box else read_image(path, 3))


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) if torch.is_tensor(one[key]) else one[key] == other[key] for key in one)


def test_the_five_datasets_are_found():
    assert {"aligned", "colorization", "single", "template", "unaligned"} <= set(data.names())
    with pytest.raises(UserError, match=r"--dataset_mode 'alined' is not known \(did you mean aligned\?\)"):
        data.find("alined")


@pytest.mark.parametrize("mode", data.names())
def test_every_dataset_keeps_the_contract(dataroot: Path, mode: str):
    dataset = make(dataroot, mode, "--load_size 36 --crop_size 24")
    sources = dataset.sources()
    assert len(dataset) >= len(sources) >= 4
    for index in range(len(dataset)):
        sample = dataset.sample(index, random.Random(index))
        assert equal(sample, dataset.sample(index, random.Random(index)))
        assert sample["A_paths"] == str(sources[index % len(sources)])
        assert sample.keys() == {*dataset.gives, *(f"{side}_paths" for side in dataset.gives)}
        for side in dataset.gives:
            image, channels = sample[side], dataset.opt.input_nc if side == "A" else dataset.opt.output_nc
            assert (image.dtype, tuple(image.shape)) == (torch.float32, (channels, 24, 24))
            assert image.min() >= -1 and image.max() <= 1 and image.max() > image.min()
            assert Path(sample[f"{side}_paths"]).is_file()
    assert set(sources) <= set(dataset.files())
    assert not equal(dataset.sample(0, random.Random(0)), dataset.sample(1, random.Random(0)))
    assert equal(pickle.loads(pickle.dumps(dataset)).sample(0, random.Random(0)), dataset.sample(0, random.Random(0)))
    assert len(make(dataroot, mode, "--max_dataset_size 3")) == 3
    whole = make(dataroot, mode)
    planned = whole.planned_size(sources[0], Image.open(sources[0]).size)
    assert planned == tuple(whole.sample(0, random.Random(0))["A"].shape[:0:-1])


@pytest.mark.parametrize("mode", ["aligned", "unaligned", "single"])
def test_gray_on_either_side(dataroot: Path, mode: str):
    sample = make(dataroot, mode, f"{PLAIN} --input_nc 1 --output_nc 3 --direction BtoA").sample(0, random.Random(0))
    source = Path(sample["A_paths"])
    gray = read_image(source, 1)
    assert torch.equal(sample["A"], to_tensor(gray.crop((32, 0, 64, 32)) if mode == "aligned" else gray))
    assert mode == "single" or sample["B"].shape == (3, 32, 32)
    with pytest.raises(UserError, match=f"--input_nc 4 is not possible with --dataset_mode {mode}; expected 1 or 3"):
        make(dataroot, mode, "--input_nc 4")


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


def doubts(dataset: BaseDataset) -> list[str]:
    return dataset.doubts({path: look.size for path, look in check_images(dataset, skip_bad=False)[0].items()})


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


@pytest.fixture
def piles(tmp_path: Path) -> Path:
    """3 images of A, 5 of B."""
    for side, count in (("A", 3), ("B", 5)):
        for number in range(count):
            write_image(tmp_path / f"train{side}" / f"{side}{number}.png", seed=ord(side) + number)
    return tmp_path


def partners(dataset: BaseDataset, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    samples = [dataset.sample(index, rng) for index in range(len(dataset))]
    assert all(torch.equal(sample[side], tensor(sample[f"{side}_paths"])) for sample in samples for side in "AB")
    return [" ".join(names([sample["A_paths"], sample["B_paths"]])).replace(".png", "") for sample in samples]


def test_unaligned_draws_B_at_random_and_the_longer_pile_counts(piles: Path):
    dataset = make(piles, "unaligned")
    drawn = [partners(dataset, seed) for seed in range(20)]
    assert all([pair.split()[0] for pair in pairs] == ["A0", "A1", "A2", "A0", "A1"] for pairs in drawn)
    assert {pairs[0].split()[1] for pairs in drawn} == {"B0", "B1", "B2", "B3", "B4"}
    assert drawn[7] == partners(dataset, 7)


def test_unaligned_in_order_and_the_other_way(piles: Path):
    in_order = ["A0 B0", "A1 B1", "A2 B2", "A0 B3", "A1 B4"]
    assert partners(make(piles, "unaligned", f"{PLAIN} --serial_batches")) == in_order
    assert partners(make(piles, "unaligned", augment=False)) == in_order
    back = make(piles, "unaligned", f"{PLAIN} --serial_batches --direction BtoA")
    assert partners(back) == ["B0 A0", "B1 A1", "B2 A2", "B3 A0", "B4 A1"]
    assert names(back.sources()) == [f"B{number}.png" for number in range(5)]
    assert names(back.files()) == [*(f"B{number}.png" for number in range(5)), "A0.png", "A1.png", "A2.png"]
    assert partners(make(piles, "unaligned", f"{PLAIN} --serial_batches --max_dataset_size 2")) == ["A0 B0", "A1 B1"]


def test_single_reads_a_folder_or_one_file(dataroot: Path):
    path = dataroot / "testA/3.png"
    for root, index in ((path.parent, 2), (path, 0)):
        sample = make(root, "single").sample(index, random.Random(0))
        assert sample["A_paths"] == str(path) and torch.equal(sample["A"], tensor(path))
    assert len(make(path, "single")) == 1
    (dataroot / "notes.txt").touch()
    with pytest.raises(UserError, match=r"found:\n  .*notes.txt \(one file\)\nexpected:\n    .*an image, or a folder"):
        make(dataroot / "notes.txt", "single")


@pytest.mark.parametrize(("colour", "lab"), [
    ("#ff0000", (53.24, 80.09, 67.20)), ("#00ff00", (87.74, -86.18, 83.18)), ("#0000ff", (32.30, 79.19, -107.86)),
    ("#ffffff", (100, 0, 0)), ("#000000", (0, 0, 0)), ("#808080", (53.59, 0, 0)),
])
def test_colorization_gives_lightness_and_colour(tmp_path: Path, colour: str, lab: tuple):
    (tmp_path / "train").mkdir()
    Image.new("RGB", (4, 3), colour).save(tmp_path / "train/1.png")
    sample = make(tmp_path, "colorization").sample(0, random.Random(0))
    assert sample["A"].shape == (1, 3, 4) and sample["B"].shape == (2, 3, 4)
    found = torch.cat([(sample["A"] + 1) * 50, sample["B"] * 110])[:, 1, 2]
    assert_close(found, torch.tensor(lab, dtype=torch.float32), atol=0.02, rtol=0)


@pytest.mark.parametrize("line", ["--direction BtoA", "--input_nc 2", "--output_nc 1"])
def test_colorization_has_one_direction(dataroot: Path, line: str):
    with pytest.raises(UserError, match="colorization goes from lightness"):
        make(dataroot, "colorization", line)


def test_template_turns_and_darkens(dataroot: Path):
    image = tensor(dataroot / "train/1.png")
    dataset = make(dataroot, "template", "--preprocess none --brightness 0.25")
    assert dataset.opt.no_flip  # its own default
    sample = dataset.sample(0, random.Random(0))
    assert torch.equal(sample["B"], image)
    assert_close((sample["A"] + 1) / 2, image.flip(1).add(1) / 8)
    back = make(dataroot, "template", "--preprocess none --brightness 0.25 --direction BtoA")
    back = back.sample(0, random.Random(0))
    assert torch.equal(back["A"], sample["B"]) and torch.equal(back["B"], sample["A"])
    with pytest.raises(UserError, match="needs equal channels, found --input_nc 3 and --output_nc 1"):
        make(dataroot, "template", "--output_nc 1")


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


def test_unaligned_reads_two_folders_inside_its_phase(piles: Path):
    before = partners(make(piles, "unaligned"))
    for phase in ("train", "test"):
        (piles / phase).mkdir()
    for side, lower in (("A", "a"), ("B", "B")):
        (piles / f"train{side}").rename(piles / "train" / lower)
    assert partners(make(piles, "unaligned")) == before
    back = make(piles, "unaligned", f"{PLAIN} --serial_batches --direction BtoA")
    assert partners(back)[:2] == ["B0 A0", "B1 A1"]


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


def test_pairs_in_place_of_single_images_are_doubted(dataroot: Path):
    (said,) = doubts(make(dataroot / "train", "single"))
    assert said == (f"warning: 4 of 4 images are twice as wide as high, such as {dataroot}/train/1.png, and each is "
                    "read as one picture. If they are pairs A|B side by side, give --dataset_mode aligned and the "
                    "--model that was trained")
    assert doubts(make(dataroot / "trainA", "single")) == doubts(make(dataroot / "trainA/1.png", "single")) == []


def test_a_whole_dataset_in_place_of_a_folder_is_doubted(dataroot: Path):
    (said,) = doubts(make(dataroot, "single"))
    folders = "test, testA, testB, train, trainA, trainB, val, valA, valB"
    assert said == (f"warning: the images in {folders} of {dataroot} are all read alike; "
                    f"for one of these folders give --dataroot {dataroot}/test")
