"""--skip_bad_images: what cannot be read is left out, before the first step and after it, and told."""
from pathlib import Path

import pytest

import data
from data.template_dataset import TemplateDataset
from helpers.images import write_image
from helpers.loading import names, open_on
from util.errors import UserError


@pytest.mark.parametrize("mode", data.names())
def test_every_dataset_leaves_out_bad_images_and_says_so(dataroot: Path, mode: str):
    nc = "--input_nc 1 --output_nc 2" if mode == "colorization" else ""
    line = f"--dataset_mode {mode} {nc} --skip_bad_images"
    before = open_on(dataroot, line, needs=("A",))
    assert not any("bad" in notice for notice in before.notices)
    bad = list(before.dataset.files())[2]
    bad.write_text("no image")
    loader = open_on(dataroot, line, needs=("A",))
    assert loader.notices[0] == (
        f"note: 1 bad images are left out: {bad} cannot be read as an image: it is no image, or its header is damaged. "
        f"An epoch has {len(loader.dataset)} samples")
    assert bad not in loader.dataset.files() and set(loader.dataset.files()) < set(before.dataset.files())
    read = {path for epoch in range(1, 9) for batch in loader.epoch(epoch) for key in batch if key.endswith("_paths")
            for path in batch[key]}
    assert read == {str(path) for path in loader.dataset.files()} and loader.skipped == []


@pytest.mark.parametrize("side", "AB")
def test_a_pair_loses_both_sides(dataroot: Path, side: str):
    for phase in "AB":
        (dataroot / f"train{phase}").rename(dataroot / "train" / phase)
    (dataroot / "train" / side / "2.png").write_bytes(b"")
    loader = open_on(dataroot, "--dataset_mode aligned --skip_bad_images --serial_batches --batch_size 4")
    batches = list(loader.epoch(1))
    assert names(batches) == names(batches, "B") == [["1", "3", "4"]] and loader.images == 3


def test_the_notice_shows_the_first_few(dataroot: Path):
    for number in range(5):
        (dataroot / "trainA" / f"bad{number}.png").touch()
    loader = open_on(dataroot, "--skip_bad_images")
    (said,) = loader.notices
    assert loader.images == 4 and said.startswith("note: 5 bad images are left out: ")
    assert said.count("the file is empty; ") == 3
    assert "bad2.png" in said and "bad3.png" not in said and said.endswith("; ... and 2 more. An epoch has 4 samples")


@pytest.mark.parametrize(("mode", "folder"), [("aligned", "train"), ("unaligned", "trainB"), ("unaligned", "trainA")])
def test_nothing_left_is_an_error(dataroot: Path, mode: str, folder: str):
    for number in range(1, 5):
        (dataroot / folder / f"{number}.png").write_bytes(b"")
    said = r"^4 of [48] images are bad, and without them nothing is left:\n(.+empty\n?){4}$"
    with pytest.raises(UserError, match=said):
        open_on(dataroot, f"--dataset_mode {mode} --skip_bad_images")


def test_a_dataset_that_cannot_leave_out_says_so(dataroot: Path, monkeypatch):
    monkeypatch.delattr(TemplateDataset, "leave_out")
    (dataroot / "train" / "2.png").write_bytes(b"")
    with pytest.raises(UserError, match="--dataset_mode template cannot leave out images"):
        open_on(dataroot, "--dataset_mode template --skip_bad_images")


def rot(dataroot: Path, *numbers: int) -> None:
    """Damages images of trainA that the loader has checked already."""
    for number in numbers:
        (dataroot / "trainA" / f"{number}.png").write_text("no image")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("rotten", "expected"), [
    ((), [("12", 2), ("34", 2), ("5", 1)]),
    ((2,), [("1", 2), ("34", 2), ("5", 1)]),
    ((1, 4, 5), [("2", 2), ("3", 2)]),  # the last batch is lost
    ((1, 2, 3), [("4", 4), ("5", 1)]),  # the first batch is asked for with the second
])
def test_an_image_that_rots_while_training_is_skipped_and_told(dataroot: Path, workers: int, rotten, expected):
    write_image(dataroot / "trainA" / "5.png")
    line = f"--serial_batches --batch_size 2 --num_threads {workers} --skip_bad_images"
    loader = open_on(dataroot, line)
    rot(dataroot, *rotten)
    batches = list(loader.epoch(1))
    assert [("".join(stems), batch["asked"]) for stems, batch in zip(names(batches), batches, strict=True)] == expected
    assert [batch["A"].shape[0] for batch in batches] == [len(stems) for stems, _ in expected]
    assert loader.skipped == [f"{dataroot}/trainA/{number}.png cannot be read as an image: it is no image, or its "
                              "header is damaged" for number in rotten]


def test_an_epoch_in_which_everything_is_rotten_ends_the_training(dataroot: Path):
    loader = open_on(dataroot, "--serial_batches --batch_size 2 --skip_bad_images")
    rot(dataroot, 3, 4)
    assert list(loader.epoch(1, skip=2)) == []  # the rest of an epoch may be
    rot(dataroot, 1, 2)
    with pytest.raises(UserError, match=r"none of 4 samples could be read, the last because .*/trainA/4.png cannot"):
        list(loader.epoch(1))


def test_only_bad_images_are_skipped(dataroot: Path):
    for number in (1, 2):
        write_image(dataroot / "trainA" / f"{number}.png", 40, 40)
    loader = open_on(dataroot, "--serial_batches --preprocess crop --batch_size 2 --skip_bad_images")
    write_image(dataroot / "trainA" / "2.png", 20, 20)
    with pytest.raises(UserError, match=r"2.png: it is 20x20 pixels, smaller than --crop_size 32"):
        list(loader.epoch(1))


def test_training_and_translating_go_on_without_bad_images(train, translate, dataroot: Path, capsys):
    for phase in ("train", "test"):
        (dataroot / phase / "2.png").write_bytes(b"")
    folder = train("--model pix2pix --skip_bad_images --print_freq 1")
    assert (folder / "loss_log.txt").read_text().count("iters:") == 3
    results = translate("--model pix2pix --skip_bad_images")
    assert sorted(path.name for path in (results / "images").glob("*_fake_B.png")) == [
        f"{number}_fake_B.png" for number in (1, 3, 4)]
    assert capsys.readouterr().out.count("note: 1 bad images are left out: ") == 2


def test_translating_names_what_could_not_be_read_after_the_check(train, translate, dataroot: Path, capsys):
    train("--model pix2pix")
    path = dataroot / "test/2.png"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 9] = bytes(9)  # passes the check, whose end is right
    path.write_bytes(content)
    capsys.readouterr()
    results = translate("--model pix2pix --skip_bad_images")
    assert f"note: 1 images could not be read and were left out:\n  {path} cannot be read as an image: " in (
        capsys.readouterr().out)
    assert sorted(picture.name[0] for picture in (results / "images").glob("*_fake_B.png")) == ["1", "3", "4"]
