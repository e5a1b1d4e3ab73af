"""What goes wrong in the first hour: each time a message that says what to do, and the right exit code."""
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.images import answer_by_hand, read_pixels, write_image, write_pairs
from networks.generators import GENERATORS

PIX2PIX_TREE = """\
    {root}/
      train/            pairs A|B side by side in one file
  or  train/A/, train/B/   or   trainA/, trainB/   pairs with equal names"""

CYCLE_TREE = """\
    {root}/
      trainA/   images of domain A
      trainB/   images of domain B"""


# The wrong dataroot

def test_a_dataroot_that_is_not_there(dataroot, train, failure):
    code, said = failure(train, f"--model pix2pix --dataroot {dataroot.parent}/datset")
    assert code == 2
    assert (f"--dataroot {dataroot.parent}/datset does not exist; "
            "beside it there are: dataset (did you mean dataset?).\n") in said
    assert PIX2PIX_TREE.format(root=f"{dataroot.parent}/datset") in said


@pytest.mark.parametrize("model, tree", [("pix2pix", PIX2PIX_TREE), ("cycle_gan", CYCLE_TREE)])
def test_a_dataroot_without_images(tmp_path, train, failure, model, tree):
    root = tmp_path / "empty"
    (root / "photos").mkdir(parents=True)
    (root / "photos" / "notes.txt").write_text("no image")
    code, said = failure(train, f"--model {model} --dataroot {root}")
    assert code == 2
    found = "found:\n  empty/  no files\n    photos/  not read: 1 .txt"
    assert f"no images for this dataset in --dataroot {root}.\n{found}" in said
    assert f"expected:\n{tree.format(root=root)}" in said


def test_unpaired_folders_for_pix2pix_and_pairs_for_cycle_gan(tmp_path, train, failure):
    unpaired, pairs = tmp_path / "unpaired", tmp_path / "pairs"
    write_image(unpaired / "trainA" / "x.png")
    write_image(unpaired / "trainB" / "y.png")
    write_pairs(pairs / "train", 1)
    code, said = failure(train, f"--model pix2pix --dataroot {unpaired}")
    assert code == 2 and "have no partner of the same name" in said and "train without pairs: --model cycle_gan" in said
    code, said = failure(train, f"--model cycle_gan --dataroot {pairs}")
    assert code == 2 and "looks like pairs A|B: --model pix2pix or --dataset_mode aligned reads them" in said


# No visdom server

def test_no_visdom_server_is_one_line_and_training_goes_on(train, capsys):
    pytest.importorskip("visdom")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = train(f"--model template --display_id 1 --display_server http://127.0.0.1 --display_port {port}")
    said = [line for line in capsys.readouterr().out.splitlines() if "visdom" in line]
    assert len(said) == 1
    assert f"no visdom server answers at http://127.0.0.1:{port}, training goes on without it" in said[0]
    assert (folder / "1_net_G.pth").is_file()


# One's own CycleGAN with --model test

@pytest.mark.parametrize("trained, asked, source, generator", [
    ("AtoB", "", "testA", "G_A"),
    ("AtoB", "--direction AtoB", "testA", "G_A"),
    ("AtoB", "--direction BtoA", "testB", "G_B"),
    ("BtoA", "", "testB", "G_A"),
    ("BtoA", "--direction AtoB", "testA", "G_B"),
])
def test_model_test_takes_the_generator_of_the_direction(train, translate, dataroot, trained, asked, source, generator):
    nc = {"A": 3, "B": 1} if trained == "AtoB" else {"A": 1, "B": 3}
    run = train(f"--model cycle_gan --direction {trained} --input_nc 3 --output_nc 1 --lambda_identity 0 "
                "--init_type xavier --init_gain 1")
    folder = translate(f"--model test --dataroot {dataroot / source} {asked}")
    side = source[-1]
    net = GENERATORS["resnet_6blocks"].build(nc[side], 4 - nc[side], 4, "instance", False)
    net.load_state_dict(torch.load(run / f"latest_net_{generator}.pth", weights_only=True))
    given = read_pixels(folder / "images" / "2_real.png")  # gray where the network takes one channel
    expected = answer_by_hand(net, given if nc[side] == 3 else given[:, :, 0])
    got = read_pixels(folder / "images" / "2_fake.png").astype(int)
    np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape), atol=1)
    assert got.std() > 10


# Image sizes

def test_a_size_the_network_cannot_take_is_adjusted_with_one_notice(train, translate, capsys):
    size = "--preprocess none --netG unet_128"
    train(f"--model pix2pix {size}")
    assert capsys.readouterr().out.count(
        "note: images are resized to what the networks accept (multiples of 128, at least 128 pixels), "
        "for example 32x32 to 128x128; --netG resnet_6blocks takes multiples of 4\n") == 1
    folder = translate("--model pix2pix --preprocess none")
    assert capsys.readouterr().out.count("padded by reflection to what the networks accept (multiples of 128") == 1
    assert read_pixels(folder / "images" / "1_fake_B.png").shape == (32, 32, 3)
    folder = translate("--model pix2pix --preprocess none --keep_size false --overwrite")
    assert capsys.readouterr().out.count("note: images are resized") == 1
    assert read_pixels(folder / "images" / "1_fake_B.png").shape == (128, 128, 3)


def test_images_smaller_than_the_crop_are_listed(train, dataroot, failure):
    write_image(dataroot / "trainA" / "large.png", 64, 64)
    code, said = failure(train, "--model cycle_gan --preprocess crop --crop_size 48")
    assert code == 2
    assert "8 images are smaller than --crop_size 48:\n" in said
    assert f"  {dataroot}/trainB/4.png  32x32\n" in said and "large.png" not in said
    assert "give --pad reflect, --crop_size 32 or --preprocess resize_and_crop" in said


def test_load_size_below_crop_size(train, failure):
    code, said = failure(train, "--model template --load_size 30 --crop_size 32")
    assert (code, said) == (2, "error: --load_size 30 is smaller than --crop_size 32: give --load_size 32 or more\n")


# Runs and flags

def test_a_missing_run_names_those_there_are(trained, translate, failure):
    trained("--model template")
    shutil.copytree("checkpoints/run", "checkpoints/other")
    code, said = failure(translate, "--model template --name rum")
    assert code == 2
    assert "there is no run checkpoints/rum; runs in checkpoints: other, run. " in said
    code, said = failure(translate, "--model template --checkpoints_dir elsewhere")
    assert code == 2 and "there is no run elsewhere/run; runs in elsewhere: none. Give" in said
    code, said = failure(translate, "--model template --name checkpoints/run")
    assert code == 2 and "runs in checkpoints/checkpoints: none. Did you mean --name run? Give" in said


def test_a_missing_released_generator_says_where_it_comes_from_and_goes(
        translate, dataroot, failure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = f"--model test --dataroot {dataroot / 'testA'} --name horse2zebra_pretrained"
    file = Path("checkpoints", "horse2zebra_pretrained", "latest_net_G.pth")

    def refused(line: str = line) -> str:
        code, said = failure(translate, line)
        assert code == 2
        return said
    missing = refused()
    assert "there is no run checkpoints/horse2zebra_pretrained" in missing
    file.parent.mkdir(parents=True)
    empty = refused()
    assert "no generator of epoch latest to load" in empty
    (file.parent / "train_opt.txt").write_text("                    ngf: 64\n")
    for said in (missing, empty, refused()):
        assert ("comes with: python datasets/download.py cyclegan-models/horse2zebra --checkpoints_dir checkpoints "
                "(or pix2pix-models/horse2zebra;") in said
        assert f"goes to {file}; then add --model test" in said
    assert "download.py" not in refused("--model test --name horse2zebra")


@pytest.mark.parametrize("model, first", [("pix2pix", "7_net_G.pth"), ("cycle_gan", "7_net_G_A.pth")])
def test_a_missing_epoch_names_the_weights_there_are(trained, translate, failure, model, first):
    trained(f"--model {model}")
    code, said = failure(translate, f"--model {model} --epoch 7")
    assert code == 2
    assert f"{first} does not exist. checkpoints/run holds: 1_net_" in said and "latest_net_G" in said


def test_a_mistyped_flag_gets_the_near_one(train, trained, translate, failure):
    code, said = failure(train, "--model cycle_gan --lamda_A 5")
    assert code == 2 and "--lamda_A is not an option here (did you mean --lambda_A?)" in said
    trained("--model template")
    code, said = failure(translate, "--model template --num_tests 5")
    assert code == 2 and "--num_tests is not an option here (did you mean --num_test?)" in said


@pytest.mark.parametrize("command", ["train", "translate"])
def test_a_wrong_model_lists_them_all(command, failure, request):
    code, said = failure(request.getfixturevalue(command), "--model cyclegan")
    assert code == 2
    assert ("--model 'cyclegan' is not known (did you mean cycle_gan?). "
            "Known: bigan, cogan, colorization, cycle_gan, feature_gan, pix2pix, simgan, template, test") in said
