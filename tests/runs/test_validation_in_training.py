"""Validation while training: it does not touch the training, and says what measuring the saved weights says."""
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train as command
from helpers.commands import load_command
from helpers.images import read_pixels, write_image
from helpers.trainings import equal, stop_after, validations, weights

VALIDATED = "--val_freq 1 --val_metrics mae --val_samples 3 --best_metric ema_mae --ema 0.5"
MODELS = {"pix2pix": "--no_dropout false --norm batch", "cycle_gan": "--dataset_mode aligned --pool_size 3"}
BEST = {"pix2pix": "ema_mae", "cycle_gan": "ema_mae_fake_A"}


def mae(folder: Path, fake: str = "fake_B", real: str = "real_B") -> float:
    """The mean absolute difference in gray levels of the pictures of a results folder."""
    paths = sorted((folder / "images").glob(f"*_{fake}.png"))
    assert len(paths) == 4
    return float(np.mean([np.abs(read_pixels(path).astype(float) - read_pixels(
        path.with_name(path.name.replace(fake, real)))).mean() for path in paths]))


def saved(folder: Path, prefix: str = "latest", raw_only: bool = True) -> dict:
    """The weights of a save, by the name of the network."""
    return {path.name.removeprefix(f"{prefix}_net_"): weights(path) for path in sorted(folder.glob(f"{prefix}_net_*"))
            if not (raw_only and path.stem.endswith("_ema"))}


def alike(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() != set() and all(equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("model", ["pix2pix", pytest.param("cycle_gan", marks=pytest.mark.slow)])
def test_validation_changes_no_bit_of_the_training_also_after_a_stop(model: str, line, tmp_path: Path):
    runs, options = tmp_path / "checkpoints", f"--model {model} {MODELS[model]}"
    validated = f"{options} {VALIDATED.replace('ema_mae', BEST[model])}"
    command.main(line("without", options))
    command.main(line("with", validated))
    with pytest.raises(SystemExit), stop_after(6):  # between the first validation and the second
        command.main(line("parts", validated))
    command.main(line("parts", f"{validated} --continue_train"))

    assert alike(saved(runs / "without"), saved(runs / "with"))
    assert alike(saved(runs / "with", raw_only=False), saved(runs / "parts", raw_only=False))
    assert alike(saved(runs / "with", "best", raw_only=False), saved(runs / "parts", "best", raw_only=False))
    assert validations(runs / "with") == validations(runs / "parts") and len(validations(runs / "with")) == 3
    assert (runs / "with/best.json").read_text() == (runs / "parts/best.json").read_text()


@pytest.mark.parametrize("which", ["raw", "ema"])
def test_the_log_says_what_the_pictures_of_the_saved_weights_say(which: str, train, translate, tmp_path: Path):
    train("--model pix2pix --norm batch --no_dropout false --n_epochs 2 --val_freq 2 --val_metrics mae --ema 0.5")
    translate(f"--phase val --eval --weights {which}")
    (row,) = validations(tmp_path / "checkpoints/run")
    assert row["epoch"] == 2 and list(row["validation"]) == ["L1", "mae", "ema_L1", "ema_mae"]
    means = "_ema" if which == "ema" else ""
    expected = mae(tmp_path / f"results/run/val_latest{means}")
    assert row["validation"][f"{means.strip('_')}_mae".strip("_")] == pytest.approx(expected, rel=1e-6)
    assert row["validation"]["mae"] != row["validation"]["ema_mae"]


@pytest.mark.parametrize("line, fakes", [
    ("--model pix2pix --norm batch --ngf 3 --val_metrics mae,psnr,ssim", ["fake_B"]),
    ("--model cycle_gan --val_metrics rec", ["fake_B", "fake_A"]),
])
def test_the_log_says_what_evaluate_py_says(line: str, fakes: list[str], train, translate, tmp_path: Path):
    if "psnr" in line:
        pytest.importorskip("torchmetrics")
    logged = validations(train(f"{line} --val_freq 1"))[0]["validation"]
    results = translate("--phase val --eval").parent / "val_latest"
    names = line.rpartition(" ")[2]
    load_command("evaluate").main([str(results), "--metrics", names, "--json", str(tmp_path / "numbers.json")])
    found = {entry["fake"]: entry["metrics"] for entry in json.loads((tmp_path / "numbers.json").read_text())}
    assert list(found) == fakes
    expected = {name if len(fakes) == 1 else f"{name}_{fake}": metric["value"]
                for fake, told in found.items() for name, metric in told.items()}
    assert {name: logged[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert len(logged) == 1 + len(expected)


def test_two_directions_have_a_value_each(train, translate, tmp_path: Path):
    run = train("--model cycle_gan --dataset_mode aligned --val_freq 1 --val_metrics mae --load_size 40")
    translate("--phase val")
    (row,) = validations(run)
    assert list(row["validation"]) == ["cycle", "mae_fake_B", "mae_fake_A"]
    folder = tmp_path / "results/run/val_latest"
    assert row["validation"]["mae_fake_B"] == pytest.approx(mae(folder), rel=1e-6)
    assert row["validation"]["mae_fake_A"] == pytest.approx(mae(folder, "fake_A", "real_A"), rel=1e-6)


def test_it_comes_as_often_as_asked_and_after_the_last_epoch(train):
    run = train("--model template --n_epochs 5 --val_freq 2")
    assert [row["epoch"] for row in validations(run)] == [2, 4, 5]


@pytest.mark.parametrize("line, said", [
    ("--model cycle_gan --val_freq 1 --val_metrics mae", "--val_metrics mae compares a translation with its truth"),
    ("--model template --val_metrics mae --best_metric mae", "--val_metrics, --best_metric would do nothing without "
     "validations: give --val_freq"),
    ("--model template --early_stop 2", "--early_stop would do nothing without validations"),
    ("--model template --val_freq 1 --val_metrics maee", "maee"),
    ("--model template --val_freq 1 --val_metrics mae --best_metric mea", "--best_metric mea is not measured (did you "
     "mean mae?). Measured: L1, mae. --val_metrics adds others"),
    ("--model template --val_freq 1 --best_metric ema_L1", "--best_metric ema_L1 is not measured. Measured: L1."),
])
def test_what_cannot_be_measured_is_said_before_anything_is_trained(line: str, said: str, train, failure,
                                                                    tmp_path: Path):
    code, found = failure(train, line)
    assert code == 2 and said in found
    assert not list(tmp_path.glob("checkpoints/run/*.pth"))


def test_without_val_images_those_of_test_are_used_and_that_is_said_once(train, dataroot: Path, capsys):
    for folder in ("val", "valA", "valB"):
        (dataroot / folder).rename(dataroot / folder.replace("val", "elsewhere"))
    write_image(dataroot / "test/1.png", 64, 32, seed=99)
    run = train("--model template --val_freq 1 --n_epochs 2")
    out = capsys.readouterr().out
    assert out.count(f"note: {dataroot} has no val images: validation measures on those of test.") == 1
    assert "report the last epoch too" in out
    on_test = validations(run)
    assert on_test == validations(train("--model template --val_freq 1 --n_epochs 2 --val_phase test"))
    assert on_test != validations(train("--model template --val_freq 1 --n_epochs 2 --val_phase elsewhere"))


def test_a_named_phase_without_images_is_refused(train, failure):
    code, said = failure(train, "--model template --val_freq 1 --val_phase mine")
    assert code == 2 and "--val_freq 1 measures on held-out images, --val_phase mine: no images" in said


def test_a_distance_between_sets_says_before_anything_else_which_weights_it_lacks(train, failure, monkeypatch,
                                                                                  tmp_path: Path):
    pytest.importorskip("torch_fidelity")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    code, said = failure(train, "--model cycle_gan --val_freq 1 --val_metrics fid --phase nothing")
    assert code == 2 and "weights-inception-2015-12-05-6726825d.pth" in said


def test_labels_are_measured_with_the_classes_of_the_held_out_pictures(train, translate, dataroot: Path, capsys):
    for number in range(1, 5):
        pair = np.concatenate([read_pixels(dataroot / f"val/{number}.png")[:, :32], np.zeros((32, 32, 3), np.uint8)], 1)
        pair[:8 * number, 32:] = 255, 200, 0
        Image.fromarray(pair).save(dataroot / f"val/{number}.png")
    (row,) = validations(train("--model cycle_gan --dataset_mode aligned --val_freq 1 --val_metrics pixel_acc"))
    assert list(row["validation"]) == ["cycle", "pixel_acc_fake_B"]
    assert "note: pixel_acc of fake_A is not measured: the pictures do not look like labels" in capsys.readouterr().out
    images = translate("--phase val").parent / "val_latest/images"
    colours = np.array([(0, 0, 0), (255, 200, 0)])
    fake, real = (np.stack([read_pixels(images / f"{number}_{label}.png") for number in range(1, 5)])
                  for label in ("fake_B", "real_B"))
    classes = [np.linalg.norm(pictures[..., None, :] - colours, axis=-1).argmin(-1) for pictures in (fake, real)]
    assert row["validation"]["pixel_acc_fake_B"] == pytest.approx(np.mean(classes[0] == classes[1]), abs=1e-6)


def test_labels_that_are_none_are_refused(train, failure):
    code, said = failure(train, "--model template --val_freq 1 --val_metrics class_iou")
    assert code == 2 and "--val_metrics class_iou cannot be measured; leave it out" in said


# The fixed samples

@pytest.mark.slow
def test_the_same_samples_are_shown_after_each_epoch(train: Callable[..., Path], translate, tmp_path: Path):
    run = train("--model template --n_epochs 2 --val_freq 1 --val_samples 2 --save_epoch_freq 1")
    images = run / "web/images"
    assert sorted(path.name for path in images.glob("val_*")) == sorted(
        f"val_{number}_{label}.png" for number in ("0001", "0002")
        for label in ("real_A", "real_B", "epoch001_fake_B", "epoch002_fake_B"))
    for epoch in (1, 2):
        translate(f"--phase val --eval --epoch {epoch}")
        for number in (1, 2):
            made = read_pixels(tmp_path / f"results/run/val_{epoch}/images/{number}_fake_B.png")
            np.testing.assert_array_equal(read_pixels(images / f"val_{number:04d}_epoch{epoch:03d}_fake_B.png"), made)
    lines = json.loads((run / "web/page.json").read_text())["strip"]["lines"]
    assert [(name, [epoch for epoch, _ in made]) for name, _, made in lines] == [("1: 1", [1, 2]), ("2: 2", [1, 2])]


def test_unpaired_samples_show_each_direction_without_a_truth(train: Callable[..., Path]):
    run = train("--model cycle_gan --val_freq 1 --val_samples 1")
    assert sorted(path.name for path in (run / "web/images").glob("val_*")) == [
        "val_0001_epoch001_fake_B.png", "val_0001_real_A.png", "val_0002_epoch001_fake_A.png", "val_0002_real_B.png"]


def test_no_samples_when_none_are_asked_for(train: Callable[..., Path]):
    run = train("--model template --val_freq 1 --val_samples 0")
    assert len(validations(run)) == 1 and not list((run / "web/images").glob("val_*"))


def test_a_shorter_pile_that_begins_anew_counts_once(train, translate, dataroot: Path, monkeypatch):
    from metrics.measuring import Measuring

    taken: list[tuple[str, ...]] = []
    monkeypatch.setattr(Measuring, "add", lambda measuring, names, pictures: taken.append(tuple(sorted(pictures))))
    monkeypatch.setattr(Measuring, "report", lambda measuring: type("Report", (), {"values": {}}))
    monkeypatch.setattr("metrics.mae_metric.MaeMetric.paired", False)
    for number in (3, 4):
        (dataroot / f"valB/{number}.png").unlink()
    train("--model cycle_gan --val_freq 1 --val_metrics mae --val_samples 0")
    taken = taken[2:]  # after the try on one image
    assert taken[0::2] == [("fake", "real", "rec", "source")] * 2 + [("fake", "rec", "source")] * 2  # A -> B
    assert taken[1::2] == [("fake", "real", "rec", "source")] * 2 + [("real",)] * 2  # B -> A
