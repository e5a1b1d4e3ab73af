"""test.py: what it writes where, what it takes from the trained run; its pictures are the network's answers."""
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers.images import answer_by_hand, read_pixels, write_image
from networks.generators import GENERATORS

LIVELY = "--init_type xavier --init_gain 1"  # untrained networks then answer with more than gray


def load_generator(path: Path, norm: str = "batch", input_nc: int = 3) -> nn.Module:
    net = GENERATORS["resnet_6blocks"].build(input_nc, 3, 4, norm, False)
    net.load_state_dict(torch.load(path, weights_only=True))
    return net


def names(folder: Path) -> set[str]:
    images = folder / "images"
    return {path.relative_to(images).as_posix() for path in images.rglob("*.png")}


def all_pictures(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / "images").rglob("*.png")))


def assert_near(a: np.ndarray, b: np.ndarray) -> None:
    """Equal to one gray level, and not flat."""
    np.testing.assert_allclose(a.astype(int), b.astype(int), atol=1)
    assert a.std() > 10


@pytest.mark.parametrize("model, labels", [
    ("pix2pix", "real_A fake_B real_B"), ("cycle_gan", "real_A fake_B rec_A real_B fake_A rec_B"),
    ("template", "real_A fake_B real_B"), ("colorization", "real_A fake_B_rgb real_B_rgb"),
])
def test_page_and_pictures_of_each_model(train, translate, model, labels):
    run = train(f"--model {model}")
    folder = translate(f"--model {model}")
    assert names(folder) == {f"{stem}_{label}.png" for stem in "1234" for label in labels.split()}
    page = (folder / "index.html").read_text()
    assert [page.count(f'src="images/{name}"') for name in sorted(names(folder))] == [1] * len(names(folder))
    rows = json.loads((folder / "test_opt.json").read_text())
    assert rows["ngf"] == {"value": 4, "source": "trained run (checkpoints/run/train_opt.json)"}
    assert f"{'ngf':>25}: 4 " in (run / "test_opt.txt").read_text()


@pytest.mark.parametrize("flag", ["", "--eval"])
def test_pictures_are_the_answers_of_the_network(train, translate, dataroot, flag):
    run = train(f"--model pix2pix --no_dropout {LIVELY}")
    folder = translate(f"--model pix2pix {flag}")
    net = load_generator(run / "latest_net_G.pth").train(not flag)
    for stem in "12":
        real_A, real_B = np.split(read_pixels(dataroot / "test" / f"{stem}.png"), 2, axis=1)
        np.testing.assert_array_equal(read_pixels(folder / "images" / f"{stem}_real_A.png"), real_A)
        np.testing.assert_array_equal(read_pixels(folder / "images" / f"{stem}_real_B.png"), real_B)
        assert_near(read_pixels(folder / "images" / f"{stem}_fake_B.png"), answer_by_hand(net, real_A))


def test_dropout_is_noise_unless_eval(train, translate):
    train(f"--model pix2pix {LIVELY}")

    def answers(line):
        return all_pictures(translate(f"--model pix2pix {line}"))
    assert answers("--seed 1") != answers("--seed 2")
    assert answers("--seed 1") == answers("--seed 1")
    assert answers("--seed 1 --eval") == answers("--seed 2 --eval")


def test_direction_and_sizes_are_those_of_the_run(train, translate, dataroot):
    train("--model pix2pix --direction BtoA --crop_size 24 --load_size 28")
    images = translate("--model pix2pix") / "images"
    assert read_pixels(images / "1_real_A.png").shape == (24, 24, 3)
    images = translate("--model pix2pix --crop_size 32") / "images"
    right = np.split(read_pixels(dataroot / "test" / "1.png"), 2, axis=1)[1]
    np.testing.assert_array_equal(read_pixels(images / "1_real_A.png"), right)


def test_the_architecture_is_that_of_the_run(train, translate):
    line = "--netG resnet_9blocks --ngf 3 --norm none --no_dropout --input_nc 1 --output_nc 1"
    train(f"--model pix2pix {line}")
    folder = translate("--model pix2pix")
    rows = json.loads((folder / "test_opt.json").read_text())
    expected = {"netG": "resnet_9blocks", "ngf": 3, "norm": "none", "no_dropout": True, "input_nc": 1, "output_nc": 1}
    assert {name: rows[name]["value"] for name in expected} == expected
    gray = read_pixels(folder / "images" / "1_fake_B.png")
    assert (gray == gray[:, :, :1]).all()


@pytest.mark.parametrize("flag, found", [("--netG unet_128", "resnet_6blocks"), ("--ngf 8", "4"),
                                         ("--norm none", "batch"), ("--no_dropout", "False"), ("--input_nc 1", "3")])
def test_a_flag_against_the_run_is_refused_with_both_values(trained, translate, failure, flag, found):
    trained("--model pix2pix")
    name, _, asked = flag.removeprefix("--").partition(" ")
    code, said = failure(translate, f"--model pix2pix {flag}")
    assert code == 2
    assert f"--{name} {asked or 'True'} does not fit the trained run, which has {name} {found} " in said
    assert f"leave out --{name}" in said


def test_the_same_flag_as_the_run_is_welcome(trained, translate):
    trained("--model pix2pix")
    assert len(names(translate("--model pix2pix --netG resnet_6blocks --ngf 4 --norm batch --num_test 1"))) == 3


@pytest.mark.parametrize("line, results, expected", [
    ("--num_test 3 --batch_size 2", "test_latest", "123"),
    ("--num_test 1", "test_latest", "1"),
    ("--phase val", "val_latest", "1234"),
    ("--epoch 1 --max_dataset_size 2", "test_1", "12"),
])
def test_how_many_images_of_which_phase_and_epoch(trained, translate, line, results, expected):
    trained("--model template")
    folder = translate(f"--model template {line}").with_name(results)
    assert names(folder) == {f"{stem}_{label}.png" for stem in expected for label in ("real_A", "fake_B", "real_B")}


def test_epoch_and_load_iter_choose_the_weights(train, translate, dataroot):
    run = train(f"--model template --no_dropout {LIVELY} --lr 0.05 --save_by_iter --save_latest_freq 2 --n_epochs 2 "
                "--save_epoch_freq 1")
    real_A = read_pixels(dataroot / "test" / "1.png")[:, :32]
    answers = []
    for line, results, save in (("--epoch 1", "test_1", "1"), ("--load_iter 2", "test_latest_iter2", "iter_2"),
                                ("", "test_latest", "latest")):
        folder = translate(f"--model template {line}").with_name(results)
        answers.append(read_pixels(folder / "images" / "1_fake_B.png"))
        net = load_generator(run / f"{save}_net_G.pth", "instance")
        assert_near(answers[-1], answer_by_hand(net, real_A))
    assert all(np.abs(a.astype(int) - b).max() > 10 for a, b in zip(answers, answers[1:] + answers[:1], strict=True))


def test_aspect_ratio_stretches_the_pictures(trained, translate):
    trained("--model template")
    for ratio, shape in (("2.0", (32, 64, 3)), ("0.5", (64, 32, 3))):
        folder = translate(f"--model template --num_test 1 --aspect_ratio {ratio}")
        assert read_pixels(folder / "images" / "1_fake_B.png").shape == shape


def test_an_aspect_ratio_that_no_picture_can_have_is_refused(trained, translate, failure, tmp_path):
    trained("--model template")
    for ratio, said in (("1e9", "1e9 is too large, expected at most 100"), ("0", "0 is too small")):
        code, found = failure(translate, f"--model template --aspect_ratio {ratio}")
        assert code == 2 and f"--aspect_ratio: {said}" in found
    assert not (tmp_path / "results").exists()
    folder = translate("--model template --num_test 1 --aspect_ratio 100")
    assert read_pixels(folder / "images" / "1_fake_B.png").shape == (32, 3200, 3)


def test_equal_names_in_subfolders_or_with_other_endings_stay_apart(train, translate, tmp_path):
    train("--model template --no_dropout")
    root = tmp_path / "mixed"
    files = {"sub1/1.png": "sub1/1", "sub2/1.png": "sub2/1", "a.png": "a.png", "a.bmp": "a.bmp", "b.png": "b"}
    for seed, file in enumerate(files):
        write_image(root / file, seed=seed)
    folder = translate(f"--model test --dataroot {root}")
    assert names(folder) == {f"{name}_{label}.png" for name in files.values() for label in ("real", "fake")}
    for file, name in files.items():
        np.testing.assert_array_equal(read_pixels(folder / "images" / f"{name}_real.png"), read_pixels(root / file))


def test_one_file_can_be_the_dataroot(trained, translate, dataroot):
    trained("--model template")
    assert names(translate(f"--model test --dataroot {dataroot / 'testA' / '2.png'}")) == {"2_real.png", "2_fake.png"}


def test_workers_give_the_same_pictures(train, translate):
    train(f"--model cycle_gan {LIVELY}")
    first = all_pictures(translate("--model cycle_gan"))
    shutil.rmtree("results")
    assert all_pictures(translate("--model cycle_gan --num_threads 2")) == first


def test_model_suffix_chooses_the_generator(train, translate, dataroot):
    run = train(f"--model cycle_gan --output_nc 1 --lambda_identity 0 {LIVELY}")
    shutil.copy(run / "latest_net_G_A.pth", run / "latest_net_G.pth")
    folder = translate(f"--model test --dataroot {dataroot / 'testB'} --model_suffix _B")
    net = load_generator(run / "latest_net_G_B.pth", "instance", input_nc=1)
    gray = np.asarray(Image.open(dataroot / "testB" / "1.png").convert("L"))
    assert_near(read_pixels(folder / "images" / "1_fake.png"), answer_by_hand(net, gray))
