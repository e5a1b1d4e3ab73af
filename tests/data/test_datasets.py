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
from data.pixels import to_tensor
from helpers.datasets import PLAIN, doubts, equal, make, names, tensor
from helpers.images import write_image
from raster.view import read_image
from util.errors import UserError


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


@pytest.mark.parametrize("phase", ["train", "val", "test"])
def test_a_phase_has_the_files_of_its_own_folders(dataroot: Path, phase: str):
    assert {path.parent for path in make(dataroot, "aligned", f"--phase {phase}").files()} == {dataroot / phase}
    piles = {path.parent for path in make(dataroot, "unaligned", f"--phase {phase}").files()}
    assert piles == {dataroot / f"{phase}A", dataroot / f"{phase}B"}


@pytest.mark.parametrize("mode", ["aligned", "unaligned", "single"])
def test_gray_on_either_side(dataroot: Path, mode: str):
    sample = make(dataroot, mode, f"{PLAIN} --input_nc 1 --output_nc 3 --direction BtoA").sample(0, random.Random(0))
    source = Path(sample["A_paths"])
    gray = read_image(source, 1)
    assert torch.equal(sample["A"], to_tensor(gray.crop((32, 0, 64, 32)) if mode == "aligned" else gray))
    assert mode == "single" or sample["B"].shape == (3, 32, 32)


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


def test_colorization_has_its_own_channels(dataroot: Path):
    with pytest.raises(UserError, match="--input_nc 3 is not possible with --dataset_mode colorization; expected 1 or"):
        make(dataroot, "colorization", "--input_nc 3")


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


def test_unaligned_reads_two_folders_inside_its_phase(piles: Path):
    before = partners(make(piles, "unaligned"))
    for phase in ("train", "test"):
        (piles / phase).mkdir()
    for side, lower in (("A", "a"), ("B", "B")):
        (piles / f"train{side}").rename(piles / "train" / lower)
    assert partners(make(piles, "unaligned")) == before
    back = make(piles, "unaligned", f"{PLAIN} --serial_batches --direction BtoA")
    assert partners(back)[:2] == ["B0 A0", "B1 A1"]


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
