"""From the command line: images of any size keep it, oblong crops are taken over by a test."""
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import evaluate
from helpers.commands import TINY
from helpers.images import answer_by_hand, read_pixels, write_image
from networks.generators import GENERATORS

SIZES = {"a": (61, 37), "b": (1, 1), "c": (5, 90), "d": (64, 40)}


def write_sizes(folder: Path) -> None:
    for path in folder.glob("*"):
        path.unlink()
    for seed, (name, size) in enumerate(SIZES.items()):
        write_image(folder / f"{name}.png", *size, seed=seed)


def answer(net: torch.nn.Module, given: np.ndarray) -> np.ndarray:
    """What the network makes of the image when it is padded to multiples of 4, at least 8; cropped back."""
    height, width = given.shape[:2]
    padding = [(0, max(8, -(-side // 4) * 4) - side) for side in (height, width)]
    return answer_by_hand(net, np.pad(given, (*padding, (0, 0)), mode="reflect"))[:height, :width]


@pytest.mark.parametrize("line", ["--preprocess none", "--keep_size"])
def test_results_have_the_inputs_size(trained, translate, dataroot, capsys, line: str):
    run = trained("--model pix2pix --netG resnet_6blocks --norm instance --no_dropout")
    write_sizes(dataroot / "photos")
    folder = translate(f"--model test --dataroot {dataroot}/photos {line}")
    said = capsys.readouterr().out
    assert said.count("note: 3 of 4 images are padded by reflection to what the networks accept (multiples of 4, ") == 1
    assert "for example 61x37 to 64x40, and the results cropped back" in said
    net = GENERATORS["resnet_6blocks"].build(3, 3, 4, "instance", False)
    net.load_state_dict(torch.load(run / "latest_net_G.pth", weights_only=True))
    for name, size in SIZES.items():
        given, made = read_pixels(dataroot / f"photos/{name}.png"), read_pixels(folder / f"images/{name}_fake.png")
        assert np.array_equal(read_pixels(folder / f"images/{name}_real.png"), given)
        assert made.shape == (*size[::-1], 3)
        if size != (1, 1):  # whose instance norms only have rounding to enlarge
            np.testing.assert_allclose(made.astype(int), answer(net, given), atol=1)
    assert json.loads((folder / "test_opt.json").read_text())["keep_size"]["value"] is True


def test_without_it_images_are_resized_as_in_the_classic_code(trained, translate, dataroot, capsys):
    trained("--model pix2pix --netG resnet_6blocks --norm instance --no_dropout")
    write_image(dataroot / "photos" / "a.png", 61, 37)
    folder = translate(f"--model test --dataroot {dataroot}/photos --preprocess none --keep_size false")
    assert "note: images are resized to what the networks accept" in capsys.readouterr().out
    assert read_pixels(folder / "images" / "a_fake.png").shape == (36, 60, 3)
    folder = translate(f"--model test --dataroot {dataroot}/photos --overwrite")  # as in training: whole, at its scale
    assert read_pixels(folder / "images" / "a_fake.png").shape == (32, 32, 3)


def test_each_picture_has_the_size_of_the_image_it_was_made_from(trained, translate, dataroot):
    trained("--model cycle_gan")
    for number in range(1, 5):
        write_image(dataroot / f"testA/{number}.png", 33, 41, seed=number)
        write_image(dataroot / f"testB/{number}.png", 50, 35, seed=number)
    folder = translate("--model cycle_gan --keep_size --num_test 1") / "images"
    sizes = {path.name[2:-4]: read_pixels(path).shape[1::-1] for path in folder.glob("*.png")}
    assert sizes == dict.fromkeys(("real_A", "fake_B", "rec_A"), (33, 41)) | dict.fromkeys(
        ("real_B", "fake_A", "rec_B"), (50, 35))


def test_a_run_is_measured_as_its_results_are(trained, translate, dataroot, tmp_path):
    trained("--model pix2pix")
    write_image(dataroot / "test" / "1.png", 74, 37, seed=1)
    write_image(dataroot / "test" / "2.png", 90, 33, seed=2)
    line = f"--name run --dataroot {dataroot} --num_threads 0 --gpu_ids -1 --preprocess none"
    evaluate.main(f"{line} --metrics mae,psnr --csv {tmp_path}/direct.csv".split())
    folder = translate("--preprocess none")
    evaluate.main(f"{folder} --metrics mae,psnr --csv {tmp_path}/folder.csv".split())
    assert (tmp_path / "direct.csv").read_text() == (tmp_path / "folder.csv").read_text()
    assert read_pixels(folder / "images" / "1_fake_B.png").shape == (37, 37, 3)


def test_further_samples_have_the_same_size(trained, translate, dataroot):
    trained("--model pix2pix --netG resnet_6blocks --no_dropout false")
    write_image(dataroot / "photos" / "a.png", 33, 21)
    folder = translate(f"--model test --dataroot {dataroot}/photos --keep_size --samples 2") / "images"
    assert {read_pixels(path).shape for path in folder.glob("*.png")} == {(21, 33, 3)}


def test_deep_images_of_any_channels_keep_their_size(train, translate, dataroot):
    for number in range(1, 4):
        for phase in ("train", "test"):
            for side, channels in (("A", 2), ("B", 1)):
                path = dataroot / "deep" / phase / side / f"{number}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                rng, shape = np.random.default_rng(number), (37, 43 + number, channels)
                values = rng.integers(0, 4096, shape, np.uint16).squeeze()
                tifffile.imwrite(path, values, photometric="minisblack", metadata=None,
                                 planarconfig="contig" if channels > 1 else None)
    line = f"--dataroot {dataroot}/deep --input_nc 2 --output_nc 1"
    train(f"{line} --model pix2pix --preprocess crop --crop_size 40 --pad reflect")
    folder = translate(f"--dataroot {dataroot}/deep --model pix2pix --save fake_B,real_A")
    for number in range(1, 4):
        real, fake = (tifffile.imread(folder / "values" / f"{number}_{label}.tif") for label in ("real_A", "fake_B"))
        assert np.array_equal(real, tifffile.imread(dataroot / f"deep/test/A/{number}.tif"))
        assert (fake.shape, fake.dtype) == ((37, 43 + number), np.uint16)


@pytest.mark.parametrize("other", ["--crop_size 32", "--load_size 40", "--preprocess crop"])
def test_two_sizes_are_refused(trained, translate, failure, other: str):
    trained("--model pix2pix")
    code, said = failure(translate, f"--keep_size {other}")
    assert code == 2
    assert f"--keep_size translates images at their own size, and {other} asks for another one" in said


def test_oblong_crops_from_training_to_the_test(train, translate, dataroot, tmp_path):
    run = train(f"--model pix2pix {TINY.replace('--crop_size 32', '')} --load_size 40,72 --crop_size 32,64")
    assert json.loads((run / "train_opt.json").read_text())["crop_size"]["value"] == "32,64"
    assert "crop_size: 32,64" in (run / "train_opt.txt").read_text()
    folder = translate("--model pix2pix")
    assert read_pixels(folder / "images" / "1_fake_B.png").shape == (32, 64, 3)
    (run / "train_opt.json").unlink()  # only the classic file is left
    folder = translate("--model pix2pix --overwrite")
    assert read_pixels(folder / "images" / "1_fake_B.png").shape == (32, 64, 3)


def test_training_on_images_that_are_smaller_than_the_crop(train, capsys):
    train("--model pix2pix --preprocess crop --crop_size 48 --pad reflect --val_freq 1")
    assert "note: 4 of 4 images are smaller than --crop_size 48 and padded by reflection" in capsys.readouterr().out
