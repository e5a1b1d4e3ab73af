"""--ema: running means of the generators, saved, validated and tested beside the raw ones."""
from pathlib import Path

import numpy as np
import pytest
import torch

import train as command
from helpers.images import read_pixels
from helpers.trainings import equal, validations, weights

EACH_STEP = "--save_by_iter --save_latest_freq 1"
DECAY = 0.75


@pytest.mark.parametrize("model, nets", [("template", "G"), pytest.param("cycle_gan", "G_A G_B",
                                                                         marks=pytest.mark.slow)])
def test_each_step_moves_the_mean_by_its_share_and_the_training_not_at_all(model: str, nets: str, train):
    plain = weights(train(f"--model {model}") / f"latest_net_{nets.split()[0]}.pth")
    run = train(f"--model {model} --ema {DECAY} {EACH_STEP}")
    assert equal(plain, weights(run / f"latest_net_{nets.split()[0]}.pth"))
    assert {path.name for path in run.glob("latest_net_*_ema.pth")} == {
        f"latest_net_{net}_ema.pth" for net in nets.split()}
    for net in nets.split():
        for step in (2, 3, 4):
            before = weights(run / f"iter_{step - 1}_net_{net}_ema.pth")
            raw, mean = (weights(run / f"iter_{step}_net_{net}{end}.pth") for end in ("", "_ema"))
            for key, value in mean.items():
                torch.testing.assert_close(value, DECAY * before[key] + (1 - DECAY) * raw[key], rtol=1e-5, atol=1e-7)
            assert not equal(raw, mean)


@pytest.mark.slow
def test_test_py_translates_with_the_means_of_every_generator(train, translate, tmp_path: Path):
    run = train("--model cycle_gan --ema 0.5 --lr 0.01")
    results = tmp_path / "results/run"
    translate("--weights ema")
    for name in ("G_A", "G_B"):  # the same pictures as of files in which the means stand as the raw ones
        (run / f"latest_net_{name}_ema.pth").rename(run / f"mean_net_{name}.pth")
    translate("--epoch mean")
    translate("")
    for label in ("fake_B", "fake_A"):
        ema, mean, raw = (read_pixels(results / folder / "images" / f"1_{label}.png")
                          for folder in ("test_latest_ema", "test_mean", "test_latest"))
        np.testing.assert_array_equal(ema, mean)
        assert (ema != raw).any()


def test_one_generator_alone_too(train, translate, dataroot: Path, tmp_path: Path):
    train("--model cycle_gan --ema 0.5 --lr 0.01")
    translate("--weights ema")
    translate(f"--weights ema --model test --dataset_mode single --dataroot {dataroot / 'testA'} --results_dir one")
    np.testing.assert_array_equal(read_pixels(tmp_path / "results/run/test_latest_ema/images/1_fake_B.png"),
                                  read_pixels(tmp_path / "one/run/test_latest_ema/images/1_fake.png"))


def test_a_run_without_means_says_so(trained, failure, translate):
    trained("--model template")
    code, said = failure(translate, "--weights ema")
    assert code == 2
    assert "--weights ema: checkpoints/run/latest_net_G_ema.pth does not exist" in said
    assert "was trained without --ema: leave out --weights ema, or train with --ema 0.999" in said


def test_means_that_begin_later_begin_at_the_weights_of_then(line, tmp_path: Path, capsys):
    run = tmp_path / "checkpoints/run"
    command.main(line("run", "--model template"))
    old = weights(run / "latest_net_G.pth")
    capsys.readouterr()
    command.main(line("run", f"--continue_train --n_epochs 3 --max_dataset_size 1 --ema {DECAY}"))
    assert f"note: --ema was 0.0, is now {DECAY}" in capsys.readouterr().out
    new, mean = weights(run / "latest_net_G.pth"), weights(run / "latest_net_G_ema.pth")
    for key, value in mean.items():  # one step
        torch.testing.assert_close(value, DECAY * old[key] + (1 - DECAY) * new[key], rtol=1e-5, atol=1e-7)


def test_means_that_end_are_not_left_behind_as_the_latest(line, tmp_path: Path):
    run = tmp_path / "checkpoints/run"
    command.main(line("run", "--model template --ema 0.5"))
    assert (run / "latest_net_G_ema.pth").exists()
    command.main(line("run", "--continue_train --n_epochs 3 --ema 0"))
    assert not (run / "latest_net_G_ema.pth").exists() and (run / "3_net_G_ema.pth").exists()


def test_another_share_goes_on_from_the_mean(line, tmp_path: Path):
    run = tmp_path / "checkpoints/run"
    command.main(line("run", "--model template --ema 0.5"))
    before = weights(run / "latest_net_G_ema.pth")
    command.main(line("run", "--continue_train --n_epochs 3 --max_dataset_size 1 --ema 0.9"))
    raw, mean = weights(run / "latest_net_G.pth"), weights(run / "latest_net_G_ema.pth")
    for key, value in mean.items():
        torch.testing.assert_close(value, 0.9 * before[key] + 0.1 * raw[key], rtol=1e-5, atol=1e-7)


def test_means_are_validated_under_names_of_their_own(train):
    run = train("--model pix2pix --ema 0.999 --lr 0.01 --val_freq 1 --n_epochs 3")
    rows = [row["validation"] for row in validations(run)]
    assert all(list(row) == ["L1", "ema_L1"] for row in rows)
    raw, means = ([row[name] for row in rows] for name in ("L1", "ema_L1"))
    assert np.ptp(means) < 0.1 * np.ptp(raw)  # it hardly moves
