"""train.py: which epochs it trains, and at which rate each."""
import shutil

import pytest
import torch

from helpers.trainings import equal, metrics, validations, weights


def test_epoch_count_is_the_first_epoch(train):
    folder = train("--model template --epoch_count 2 --n_epochs 1 --n_epochs_decay 3 --print_freq 4 "
                   "--save_epoch_freq 1")
    assert {path.name for path in folder.glob("*_net_G.pth")} == {f"{save}_net_G.pth" for save in (2, 3, 4, "latest")}
    rows = metrics(folder)
    assert [(row["epoch"], row["total"]) for row in rows] == [(2, 4), (3, 8), (4, 12)]
    assert [row["lr"] for row in rows] == pytest.approx([0.00015, 0.0001, 0.00005])
    shown = [path.name[:8] for path in sorted((folder / "web/images").glob("*_fake_B.png"))]
    assert shown == ["epoch002", "epoch003", "epoch004"]


def test_lr_decay_iters_is_the_length_of_a_step(train):
    folder = train("--model template --lr_policy step --lr_decay_iters 2 --n_epochs 5 --print_freq 4 --lr 0.01")
    assert [row["lr"] for row in metrics(folder)] == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001])


def test_an_epoch_that_is_not_there_cannot_be_the_first(train, failure):
    code, said = failure(train, "--model template --epoch_count 3 --n_epochs 1 --n_epochs_decay 1")
    assert code == 2
    assert "--epoch_count 3 must be from 1 to 2, which is --n_epochs 1 + --n_epochs_decay 1" in said


def test_the_last_epoch_still_trains(train):
    folder = train("--model template --n_epochs 1 --n_epochs_decay 1 --save_epoch_freq 1 --print_freq 4")
    assert [row["lr"] for row in metrics(folder)] == [0.0002, 0.0001]
    first, last = (weights(folder / f"{epoch}_net_G.pth") for epoch in (1, 2))
    assert not torch.equal(first["model.1.weight"], last["model.1.weight"])


def test_the_falling_rate_is_the_one_that_trains(train):
    halved = weights(train("--model template --lr 0.0004 --n_epochs 0 --n_epochs_decay 1") / "latest_net_G.pth")
    assert equal(halved, weights(train("--model template --lr 0.0002") / "latest_net_G.pth"))


@pytest.mark.slow
def test_plateau_drops_the_rate_when_the_validation_images_get_no_better(train):
    line = "--model cycle_gan --lr_policy plateau --lr 1e-12 --n_epochs 8 --max_dataset_size 1 --print_freq 1"
    folder = train(line)
    rates = [row["lr"] for row in metrics(folder)]
    assert rates == pytest.approx([1e-12] * 7 + [0.2e-12], abs=0)  # the first is best; then more than 5 are no better
    measured = [(row["epoch"], *row["validation"]) for row in validations(folder)]
    assert measured == [(epoch, "cycle") for epoch in range(1, 9)]
    values = [row["validation"]["cycle"] for row in validations(folder)]
    assert min(values) > 0.1 and max(values) == pytest.approx(min(values), rel=1e-3)  # nothing is learned


def test_plateau_goes_on_counting_after_a_stop(train):
    line = "--model cycle_gan --lr_policy plateau --lr 1e-12 --max_dataset_size 1 --print_freq 1"
    train(f"{line} --n_epochs 4")
    rates = [row["lr"] for row in metrics(train(f"{line} --n_epochs 8 --continue_train"))]
    assert rates == pytest.approx([1e-12] * 7 + [0.2e-12], abs=0)


def test_plateau_reads_the_validation_folder(train, dataroot, failure):
    line = "--model pix2pix --lr_policy plateau"
    (dataroot / "val" / "3.png").write_bytes(b"broken")
    code, said = failure(train, line)
    assert code == 2 and f"{dataroot / 'val' / '3.png'} cannot be read as an image" in said
    for phase in ("val", "test"):
        for folder in (phase, f"{phase}A", f"{phase}B"):
            shutil.rmtree(dataroot / folder)
    code, said = failure(train, line)
    assert code == 2
    assert "--lr_policy plateau measures on held-out images, --val_phase val: no images" in said
    assert "val/            pairs A|B side by side" in said
