"""What a person chooses becomes the command that they would type."""
import shutil
from pathlib import Path

import pytest

from helpers.images import write_image
from options.schema import OptionError
from studio.home import Home
from studio.training_words import OWN, Wish, asked, going_on, models_to_train, recipes, settings, suggested
from util.errors import UserError


@pytest.fixture
def home(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    return Home((Path("dataset"),), Path("checkpoints"), Path("results"))


def words(home: Home, **wish: object) -> str:
    """The flags, but for the folder, the name and the model."""
    line = asked(home, Wish(**{"data": "dataset", "name": "maps", **wish})).line
    assert "--dataroot dataset --name maps" in str(line)
    return " ".join(line.words).partition("--name maps")[2].strip()


def test_only_what_differs_is_said(home):
    shutil.rmtree(home.datasets[0] / "val")
    shutil.rmtree(home.datasets[0] / "test")
    for side in "AB":
        shutil.rmtree(home.datasets[0] / f"val{side}")
        shutil.rmtree(home.datasets[0] / f"test{side}")
    assert words(home) == ""
    assert str(asked(home, Wish("dataset", "maps")).line) == (
        "python train.py --model pix2pix --dataroot dataset --name maps")
    assert words(home, direction="BtoA", batch_size=4, minutes=5) == (
        "--direction BtoA --batch_size 4 --max_minutes 5")
    assert words(home, epochs=200, size="256") == ""
    assert words(home, epochs=31) == "--n_epochs 15 --n_epochs_decay 16"
    assert words(home, size="512") == "--load_size 572 --crop_size 512"
    assert words(home, size="256,512") == "--load_size 286,572 --crop_size 256,512"
    assert words(home, more="--ema 0.999", overwrite=True) == "--overwrite --ema 0.999"


def test_a_u_net_is_taken_that_fits_the_size(home):
    assert words(home, size="128", epochs=4).startswith("--load_size 143 --crop_size 128 --netG unet_128")
    assert asked(home, Wish("dataset", "maps", size="128")).options.as_dict()["netG"] == "unet_128"


def test_held_out_samples_are_looked_at_about_twelve_times(home):
    assert words(home, epochs=200) == "--val_freq 17"
    assert words(home, epochs=8) == "--n_epochs 4 --n_epochs_decay 4 --val_freq 1"


def test_a_recipe_is_one_word_and_fields_change_it(home):
    found = asked(home, Wish("dataset", "maps", "pix2pix", "toy_pix2pix", size="64", epochs=10))
    assert found.line.words[0].startswith("@")
    assert found.line.words[0].endswith("toy_pix2pix.txt")
    values = found.options.as_dict()
    assert (values["load_size"], values["crop_size"], values["ngf"]) == (68, 64, 16)
    assert (values["n_epochs"], values["n_epochs_decay"]) == (6, 4)
    assert settings("pix2pix", "toy_pix2pix") == {
        "model": "pix2pix", "direction": "AtoB", "size": "128", "batch_size": 1, "epochs": 5}
    assert settings("cycle_gan", OWN)["epochs"] == 200
    assert recipes()[:2] == ["toy_cyclegan", "toy_pix2pix"]
    assert models_to_train()[:2] == ["pix2pix", "cycle_gan"]
    assert "test" not in models_to_train()


def test_the_layout_suggests_the_model(home, tmp_path):
    assert suggested(tmp_path / "dataset")[0] == "pix2pix"
    write_image(tmp_path / "piles" / "trainA" / "1.png")
    write_image(tmp_path / "piles" / "trainB" / "1.png")
    assert suggested(tmp_path / "piles")[0] == "cycle_gan"


def test_pairs_are_piles_too(home):
    assert "--dataset_mode" not in words(home, model="cycle_gan")
    shutil.rmtree(home.datasets[0] / "trainA")
    assert "--dataset_mode aligned" in words(home, model="cycle_gan")


def test_another_folder_of_runs_is_said(home):
    elsewhere = Home(home.datasets, Path("runs_of_mine"), home.results)
    assert words(elsewhere, epochs=200) == "--val_freq 17 --checkpoints_dir runs_of_mine"


@pytest.mark.parametrize(("wish", "message"), [
    ({"data": ""}, "choose a folder of images"),
    ({"data": "/etc"}, "outside the folders"),
    ({"name": "../x"}, "no name for a run"),
    ({"size": "big"}, "size 'big' is not a side in pixels"),
    ({"more": "--ngff 3"}, r"did you mean --ngf"),
    ({"more": "--ngf many"}, "not a whole number"),
    ({"more": "--name other"}, "neither the name nor the folder"),
    ({"more": "--checkpoints_dir /tmp"}, "neither the name nor the folder"),
    ({"more": "--suffix _{netG}"}, "neither the name nor the folder"),
    ({"more": "--dataroot /etc"}, "outside the folders"),
    ({"more": "--init_from /etc/passwd"}, "outside the folders"),
    ({"more": "@/etc/passwd"}, "would read a file of flags"),
    ({"more": "--ngf '3"}, "other flags: No closing quotation"),
    ({"recipe": "../../x"}, "there is no recipe"),
    ({"batch_size": -1}, "too small"),
    ({"batch_size": 0}, "too small"),
    ({"epochs": 0}, "0 would learn nothing"),
    ({"name": " "}, "the run has no name yet"),
])
def test_what_makes_no_sense_is_refused_in_words(home, wish, message):
    with pytest.raises((UserError, OptionError), match=message):
        words(home, **wish)


def test_only_a_run_goes_on(home):
    with pytest.raises(UserError, match="holds neither a state nor weights"):
        going_on(home, "nothing")


def test_the_other_fields_follow_one_that_changed_and_no_other(home):
    gradio = pytest.importorskip("gradio", reason="NOT TESTED: the extra app is not installed")
    from studio.new_training import Choice, Handlers
    from studio.trainings import Trainings

    do = Handlers(home, Trainings(home.checkpoints))
    before = Choice("dataset", "cycle_gan", "toy_cyclegan")
    said_again = do.choose("data", "dataset", "pix2pix", OWN, before)  # with what the others held before they followed
    assert said_again == [gradio.skip()] * 8
    assert do.choose("model", "dataset", "pix2pix", "toy_cyclegan", before)[2:4] == ["pix2pix", OWN]
