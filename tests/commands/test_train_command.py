"""train.py: the files it writes and when, what a seed fixes, how it goes on, and what it says when it cannot start."""
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.commands import ROOT
from helpers.trainings import equal, metrics, validations, weights
from networks.discriminators import DISCRIMINATORS
from networks.generators import GENERATORS


def saves(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*_net_*.pth")}


PAIR = "real_A fake_B real_B"
COLORS = "real_A fake_B_rgb real_B_rgb"
CYCLE = "real_A fake_B rec_A idt_B real_B fake_A rec_B idt_A"


@pytest.mark.parametrize("line, nets, pictures", [
    ("--model pix2pix", "G D", PAIR),
    ("--model cycle_gan", "G_A G_B D_A D_B", CYCLE),
    ("--model cycle_gan --lambda_identity 0", "G_A G_B D_A D_B", CYCLE.replace(" idt_A", "").replace(" idt_B", "")),
    ("--model template", "G", PAIR),
    ("--model pix2pix --dataset_mode template", "G D", PAIR),
    ("--model colorization", "G D", COLORS),
])
def test_weights_and_page_of_each_model(train, line, nets, pictures):
    folder = train(f"{line} --save_epoch_freq 1")
    assert saves(folder) == {f"{epoch}_net_{net}.pth" for epoch in ("1", "latest") for net in nets.split()}
    assert {path.name for path in (folder / "web" / "images").iterdir()} == {
        f"epoch001_{label}.png" for label in pictures.split()}
    page = (folder / "web" / "index.html").read_text()
    shown = re.findall(r'src="images/epoch001_(\w+)\.png"', page)
    assert shown == pictures.split()


def test_weights_are_plain_state_dicts_of_the_classic_networks(train):
    folder = train("--model pix2pix")
    G = GENERATORS["resnet_6blocks"].build(3, 3, 4, "batch", True)
    D = DISCRIMINATORS["basic"](6, 4, 3, "batch")
    for name, net in (("G", G), ("D", D)):
        saved = weights(folder / f"latest_net_{name}.pth")
        assert type(saved) is dict
        assert {key: value.shape for key, value in saved.items()} == {
            key: value.shape for key, value in net.state_dict().items()}


@pytest.mark.parametrize("line, expected", [
    ("--n_epochs 3 --save_epoch_freq 2", {"2", "3", "latest"}),  # the last epoch is kept although 2 does not divide 3
    ("--n_epochs 2 --save_epoch_freq 5", {"2", "latest"}),
    ("--n_epochs 2 --save_epoch_freq 0", {"2", "latest"}),
    ("--n_epochs 2 --save_latest_freq 5 --save_by_iter", {"iter_7", "2", "latest"}),  # steps end at images 3, 4, 7, 8
    ("--n_epochs 2 --save_latest_freq 3 --save_by_iter", {"iter_3", "iter_7", "2", "latest"}),
    ("--n_epochs 2 --save_latest_freq 0 --save_by_iter", {"2", "latest"}),
])
def test_saves_come_as_often_as_asked_counted_in_images(train, line, expected):
    folder = train(f"--model template --batch_size 3 {line}")
    assert saves(folder) == {f"{save}_net_G.pth" for save in expected}


@pytest.mark.parametrize("frequency, expected", [(2, {"latest_net_G.pth"}), (4, set())])
def test_save_latest_freq_writes_latest_within_the_epoch(train, dataroot, tmp_path, failure, frequency, expected):
    rotten = bytearray((dataroot / "train" / "4.png").read_bytes())
    rotten[60:-20] = bytes(len(rotten) - 80)  # its pixels: only reading them, after the third image, ends the training
    (dataroot / "train" / "4.png").write_bytes(rotten)
    code, said = failure(train, f"--model template --serial_batches --save_latest_freq {frequency}")
    assert code == 2 and "4.png cannot be read" in said
    assert saves(tmp_path / "checkpoints" / "run") == expected


def test_losses_are_logged_as_text_and_as_numbers(train):
    folder = train("--model pix2pix --batch_size 3 --n_epochs 2 --print_freq 3")
    header, *lines = (folder / "loss_log.txt").read_text().splitlines()
    assert re.fullmatch(r"=+ Training Loss \(\w{3} \w{3} .*\d{4}\) =+", header)
    rows = metrics(folder)
    assert [(row["epoch"], row["images"], row["total"]) for row in rows] == [(1, 3, 3), (2, 3, 7), (2, 4, 8)]
    number = r"-?\d+\.\d{3}"
    for line, row in zip(lines, rows, strict=True):
        assert list(row["losses"]) == ["D_real", "D_fake", "G_GAN", "G_L1"] and row["lr"] == 0.0002
        assert re.match(rf"\(epoch: {row['epoch']}, iters: {row['images']}, time: {number}, data: {number}\) ", line)
        assert line.endswith(") " + " ".join(f"{name}: {value:.3f}" for name, value in row["losses"].items()) + " ")


def test_losses_and_validation_stand_flat_beside_their_dicts(train):
    folder = train("--model cycle_gan --lr_policy plateau --print_freq 2")
    rows, measured = metrics(folder), validations(folder)
    assert len(rows) == 2 and len(measured) == 1
    for kind, name, lines in (("loss", "losses", rows), ("validation", "validation", measured)):
        for line in lines:
            flat = {key: value for key, value in line.items() if key.startswith(f"{kind}/")}
            assert flat == {f"{kind}/{term}": value for term, value in line[name].items()} != {}


def test_options_are_saved_with_their_sources(train, tmp_path):
    (tmp_path / "recipe.txt").write_text("--lambda_L1 7  # a comment\n")
    folder = train("--model pix2pix @recipe.txt --ngf 6")
    rows = json.loads((folder / "train_opt.json").read_text())
    assert rows["lambda_L1"] == {"value": 7.0, "source": "@recipe.txt"}
    assert rows["ngf"] == {"value": 6, "source": "command line"}
    assert rows["norm"] == {"value": "batch", "source": "model default"}
    assert rows["beta1"] == {"value": 0.5, "source": "default"}
    assert rows["max_dataset_size"] == {"value": "inf", "source": "default"}
    text = (folder / "train_opt.txt").read_text().splitlines()
    assert text[0] == "----------------- Options ---------------"
    assert f"{'ngf':>25}: {'6':<30}\t[default: 64]" in text
    assert f"{'norm':>25}: {'batch':<30}" in text


def test_the_page_shows_the_pictures_of_the_last_step(train):
    folder = train("--model template --serial_batches --no_flip --load_size 32")
    shown = np.asarray(Image.open(folder / "web" / "images" / "epoch001_real_A.png"))
    pair = np.asarray(Image.open(folder.parents[1] / "dataset" / "train" / "4.png"))
    np.testing.assert_array_equal(shown, pair[:, :32])


def test_display_winsize_is_the_width_of_pictures_on_both_pages(train, translate):
    folder = train("--model template --display_winsize 77")
    pages = [folder / "web/index.html", translate("--model template --display_winsize 55 --num_test 1") / "index.html"]
    for page, width in zip(pages, ("77", "55"), strict=True):
        assert set(re.findall(r'<img [^>]*width="(\d+)"', page.read_text())) == {width}


def test_the_header_of_both_pages_names_the_options_that_are_not_the_defaults(train, translate):
    folder = train("--model template --lambda_regression 3 --no_flip --lr 0.0002")
    for page, shown, hidden in ((folder / "web/index.html", ("lambda_regression=3.0", "no_flip=True", "ngf=4"), "lr="),
                                (translate("--model template --num_test 3") / "index.html", ("num_test=3",), "eval=")):
        (header,) = re.findall("<dt>options</dt><dd>(.*?)</dd>", page.read_text(), re.DOTALL)
        assert set(shown) <= set(header.split()) and not any(word.startswith(hidden) for word in header.split())


def test_verbose_prints_every_layer(train, translate, capsys):
    for command in (train, translate):
        command("--model template")
        assert "Conv2d(" not in capsys.readouterr().out
        command("--model template --verbose")
        assert capsys.readouterr().out.count("Conv2d(3, 4, kernel_size=(7, 7)") == 1


def test_no_html_writes_no_page(train):
    folder = train("--model template --no_html")
    assert not (folder / "web").exists() and (folder / "latest_net_G.pth").is_file()


def test_continue_train_goes_on_from_the_saved_weights(train, capsys):
    before = weights(train("--model cycle_gan") / "latest_net_G_A.pth")
    folder = train("--model cycle_gan --continue_train --epoch_count 2 --n_epochs 2 --seed 1 --lr 0")
    assert "going on with checkpoints/run in epoch 2, after 0 images" in capsys.readouterr().out
    assert equal(weights(folder / "2_net_G_A.pth"), before)
    assert [row["epoch"] for row in metrics(folder)] == [1, 2]
    fresh = train("--model cycle_gan --epoch_count 2 --n_epochs 2 --seed 1 --lr 0")
    assert not equal(weights(fresh / "latest_net_G_A.pth"), before)


def test_continue_train_takes_the_epoch_or_the_iteration_asked_for(train):
    folder = train("--model template --norm instance --save_latest_freq 2 --save_by_iter --n_epochs 2 "
                   "--save_epoch_freq 1")
    saved = {save: weights(folder / f"{save}_net_G.pth") for save in ("1", "iter_2")}
    for flags, save in (("--epoch 1", "1"), ("--load_iter 2", "iter_2")):
        train(f"--model template --norm instance --lr 0 --continue_train --save_by_iter false {flags}")
        assert equal(weights(folder / "latest_net_G.pth"), saved[save])


def test_continue_train_without_weights_names_those_there_are(train, failure):
    train("--model template")
    code, said = failure(train, "--model template --continue_train --epoch 9")
    assert code == 2
    assert "9_net_G.pth does not exist" in said and "holds: 1_net_G.pth, latest_net_G.pth" in said


def test_a_seed_fixes_the_weights_with_any_number_of_workers(train):
    line = "--model pix2pix --batch_size 2 --lr 0.01 --n_epochs 3"
    first = weights(train(line) / "latest_net_G.pth")
    for same in (line, f"{line} --num_threads 2"):
        assert equal(weights(train(same) / "latest_net_G.pth"), first)
    assert not equal(weights(train(f"{line} --seed 1") / "latest_net_G.pth"), first)


def test_help_answers_without_importing_torch():
    script = ("import sys; sys.path.insert(0, '.'); import train\n"
              "try: train.main(['--help'])\n"
              "except SystemExit as exit: print(exit.code, 'torch' in sys.modules)")
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert lines[-1] == "0 False" and run.stderr == ""
    assert "models:  bigan, cogan, colorization, cycle_gan, feature_gan, pix2pix, simgan, template, test" in lines
