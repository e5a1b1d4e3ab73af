"""The recipes: accepted by train.py, explained in their first lines, and of data that can be had."""
import re
import sys
from pathlib import Path

import pytest

from helpers.commands import ROOT, load_command
from options.command_line import parse

sys.path.insert(0, str(ROOT / "datasets"))  # as for a script that is run from there
import download

RECIPES = sorted((ROOT / "recipes").glob("*.txt"))
PUBLISHED = {name for collection in download.COLLECTIONS.values() if not collection.models for name in collection.names}
TOY = "./datasets/toy_maps"
TRAIN, TEST = load_command("train").COMMAND, load_command("test").COMMAND


def read(recipe: Path) -> dict:
    options = parse(TRAIN, ["--dataroot", TOY, f"@{recipe}"])
    assert options.sources["model"] == f"@{recipe}"
    return options.as_dict()


def header(recipe: Path) -> str:
    return re.match(r"(#.*\n)*", recipe.read_text())[0]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_accepted_and_says_what_it_is_and_how_to_run_it(recipe: Path):
    opt, said = read(recipe), header(recipe)
    assert said.startswith("# ") and f"python train.py @recipes/{recipe.name}" in said
    if opt["dataroot"] == TOY:
        assert "datasets/toy_maps.py" in said
        return
    assert opt["name"] == recipe.stem
    assert f"python test.py --dataroot {opt['dataroot']} --name {opt['name']}" in said
    for line in re.findall(r"python test\.py (.*)", said):
        parse(TEST, line.split())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_data_of_a_recipe_can_be_had(recipe: Path):
    opt, said = read(recipe), header(recipe)
    folder = Path(opt["dataroot"]).name
    brought = [download.choose(name) for name in re.findall(r"datasets/download\.py (\S+)", said)]
    if brought:
        assert brought == [("pix2pix" if opt["model"] == "pix2pix" else "cyclegan", folder)]
    else:
        assert folder not in PUBLISHED
        scripts = [ROOT / "datasets" / f"{name}.py" for name in (folder, f"prepare_{folder}")]
        assert any(script.exists() and script.name in said for script in scripts) or f"{folder}/test" in said


def test_each_application_of_the_papers_has_the_papers_numbers():
    names = ("model", "direction", "n_epochs", "n_epochs_decay", "batch_size", "load_size", "crop_size")
    found = {path.stem: tuple(read(path)[name] for name in names) for path in RECIPES}
    pix2pix = {"cityscapes": ("BtoA", 200, 0, 1), "maps": ("BtoA", 200, 0, 1), "edges2shoes": ("AtoB", 15, 0, 4),
               "edges2handbags": ("AtoB", 15, 0, 4), "day2night": ("BtoA", 17, 0, 4)}
    for name, numbers in pix2pix.items():
        assert found[f"{name}_pix2pix"] == ("pix2pix", *numbers, 286, 256)
    assert found["colorization_pix2pix"] == ("colorization", "AtoB", 6, 0, 4, 256, 256)
    assert found["cityscapes_cyclegan"] == ("cycle_gan", "BtoA", 100, 100, 1, 143, 128)
    identity = {path.stem: read(path)["lambda_identity"] for path in RECIPES if read(path)["model"] == "cycle_gan"}
    for name in ("horse2zebra", "apple2orange", "summer2winter", "facades"):
        assert found[f"{name}_cyclegan"][2:5] == (100, 100, 1) and identity[f"{name}_cyclegan"] == 0
    painters = [f"style_{name}" for name in ("monet", "cezanne", "ukiyoe", "vangogh")]
    for name in (*painters, "painting2photo", "photo_enhancement"):
        assert found[f"{name}_cyclegan"][2:5] == (100, 100, 1) and identity[f"{name}_cyclegan"] == 0.5
    assert all(found[f"{name}_cyclegan"][1] == "BtoA" for name in painters)
