"""test.py --samples: several translations of each input, and the map of how far they differ."""
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import evaluate as evaluate_command
from helpers.images import read_pixels
from models.contract import ShownAs
from pages.pictures import first_pictures
from runs.sampling import spread, with_samples

LIVELY = "--init_type xavier --init_gain 1"  # untrained networks then answer with more than gray
PIX2PIX = f"--model pix2pix {LIVELY}"


def flat(*colour: int) -> np.ndarray:
    return np.full((2, 2, 3), colour, np.uint8)


@pytest.mark.parametrize("samples, level", [
    ([flat(10, 10, 10), flat(20, 20, 20)], 113),  # sqrt((5^2 + 5^2) / 1) = 7.071, times 16
    ([flat(10, 0, 0), flat(20, 0, 0)], 65),  # sqrt(50 / 3) = 4.082
    ([flat(1, 1, 1), flat(2, 2, 2), flat(3, 3, 3)], 16),  # sqrt((1 + 0 + 1) / 2) = 1
    ([flat(0, 0, 0), flat(255, 255, 255)], 255), ([flat(7, 8, 9)] * 4, 0),
])
def test_the_spread_by_hand(samples, level):
    np.testing.assert_array_equal(spread(samples), flat(level, level, level))


def test_the_spread_of_a_pixel_is_its_own():
    first, second = np.zeros((1, 2, 3), np.uint8), np.array([[[0, 0, 0], [4, 4, 4]]], np.uint8)
    assert spread([first, second])[0, :, 0].tolist() == [0, 45]  # sqrt(2^2 + 2^2) = 2.828


def test_the_map_of_a_generator_whose_noise_is_known():
    """Dropout of an image of 0.1 makes 0 or 0.2 at each place: gray levels 128 or 153."""
    net = nn.Dropout(0.5)

    def engine_translates(batch, seed):
        torch.manual_seed(seed)
        return {"real_A": batch["A"], "fake_B": net(batch["A"])}
    engine = SimpleNamespace(device=torch.device("cpu"), translate=engine_translates,
                             model=SimpleNamespace(visuals=lambda images: images,
                                                   shown_as=lambda label: ShownAs(label[-1], "A")))
    first = [{"real_A": torch.full((1, 2, 2), 0.1), "fake_B": torch.zeros(1, 2, 2)}]
    (made,) = with_samples(first, {"A": torch.full((1, 1, 2, 2), 0.1)}, engine, 3, seed=0, name="1")
    assert list(made) == ["real_A", "fake_B", "fake_B_2", "fake_B_3", "fake_B_std"]
    made = first_pictures({label: image[None] for label, image in made.items()})
    assert set(np.unique([made["fake_B_2"], made["fake_B_3"]])) == {128, 153}
    twos = (made["fake_B_2"] == 153).astype(int) + (made["fake_B_3"] == 153)  # of 3 samples that are 25 levels higher
    expected = np.where(twos == 0, 0, 231)  # both 1 and 2 of 3: sqrt(25^2 * (2 / 3) / 2) = 14.43
    np.testing.assert_array_equal(made["fake_B_std"], expected)


def shown(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: read_pixels(path) for path in sorted((folder / "images").glob("*.png"))}


def mae(folder: Path, tmp_path: Path) -> dict:
    evaluate_command.main([str(folder), "--metrics", "mae,psnr", "--json", str(tmp_path / "numbers.json")])
    return json.loads((tmp_path / "numbers.json").read_text())


def test_samples_and_their_map_stand_beside_an_unchanged_translation(trained, translate, tmp_path):
    trained(PIX2PIX)
    alone, numbers = shown(folder := translate("")), mae(folder, tmp_path)
    folder = translate("--samples 3")
    found = shown(folder)
    labels = ["real_A", "fake_B", "fake_B_2", "fake_B_3", "fake_B_std", "real_B"]
    assert json.loads((folder / "names.json").read_text())["labels"] == labels
    assert set(found) == {f"{name}_{label}" for name in "1234" for label in labels}
    for name, picture in alone.items():
        np.testing.assert_array_equal(found[name], picture)
    for name in "1234":
        samples = [found[f"{name}_{label}"].astype(float) for label in labels[1:4]]
        assert all((a != b).any() for a, b in zip(samples, samples[1:] + samples[:1], strict=True))
        mean = sum(samples) / 3
        deviation = np.sqrt((sum((sample - mean)**2 for sample in samples) / 2).mean(axis=2))
        np.testing.assert_allclose(found[f"{name}_fake_B_std"][:, :, 1], np.minimum(16 * deviation, 255), atol=0.51)
    page = (folder / "index.html").read_text()
    assert page.count('src="images/1_fake_B_std.png"') == 1
    assert "standard deviation at each pixel, black 0, white 16 or more of 255 gray levels" in page
    assert mae(folder, tmp_path) == numbers
    translate("")
    assert set(shown(folder)) == set(alone)


def test_the_same_command_gives_the_same_samples(trained, translate):
    trained(PIX2PIX)
    first, again = shown(translate("--samples 2")), shown(translate("--samples 2"))
    other, two_at_once = shown(translate("--samples 2 --seed 1")), shown(translate("--samples 2 --batch_size 2"))
    assert set(first) == set(again) == set(other) == set(two_at_once)
    for name, picture in first.items():
        np.testing.assert_array_equal(again[name], picture)
    assert any((other[name] != first[name]).any() for name in first if name.endswith("fake_B_2"))
    (few,) = [picture for name, picture in shown(translate("--samples 2 --num_test 1")).items() if "fake_B_2" in name]
    np.testing.assert_array_equal(few, first["1_fake_B_2"])


@pytest.mark.parametrize("line, testing, labels", [
    (f"--model cycle_gan --no_dropout false {LIVELY}", "",
     "real_A fake_B fake_B_2 fake_B_std rec_A real_B fake_A fake_A_2 fake_A_std rec_B"),
    ("--model colorization", "", "real_A fake_B_rgb fake_B_rgb_2 fake_B_rgb_std real_B_rgb"),
    (PIX2PIX, "--model test --dataset_mode aligned", "real fake fake_2 fake_std"),
])
def test_every_model_with_dropout_has_samples(trained, translate, line, testing, labels):
    trained(line)
    folder = translate(f"--samples 2 --num_test 1 {testing}")
    assert json.loads((folder / "names.json").read_text())["labels"] == labels.split()


@pytest.mark.parametrize("line, testing, said", [
    (PIX2PIX, "--eval", "--samples 2 with --eval: all samples would be the same, since --eval switches dropout off"),
    ("--model template --no_dropout", "", "--samples 2: all samples would be the same, since the generator has no "
                                          "dropout; leave it out, or test a run that was trained with --no_dropout"),
])
def test_samples_that_would_all_be_the_same_are_refused(trained, translate, failure, tmp_path, line, testing, said):
    trained(line)
    code, found = failure(translate, f"--samples 2 {testing}")
    assert code == 2 and said in found
    assert not (tmp_path / "results").exists()
    assert names_of(translate("--samples 1 " + testing)) >= {"1_fake_B"}


def names_of(folder: Path) -> set[str]:
    return set(shown(folder))
