"""What the README, the docs, the Makefile and the recipes say exists."""
import re
from pathlib import Path

import pytest

import data
import models
from options.command_line import Command, parse
from options.groups import DataOptions, LoggingOptions, TestDataOptions, TestRunOptions, TrainingOptions, TrainRunOptions

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PHASES = {
    "train": (TrainRunOptions, DataOptions, TrainingOptions, LoggingOptions),
    "test": (TestRunOptions, TestDataOptions),
}
OLD = ("niter", "niter_decay", "which_epoch", "how_many", "loadSize", "fineSize", "batchSize", "resize_or_crop",
       "which_direction", "no_lsgan", "which_model_netG", "which_model_netD", "nThreads", "identity")
NOT_OURS = ("help", "size", "n_test", "n_layers", "quiet", "editable")  # of the toy script, pip, or quoted as wrong


def read(phase: str, words: list[str]):
    command = Command(f"{phase}.py", phase, "", PHASES[phase], models.find, data.find, models.names)
    return parse(command, ["--dataroot", "x", *words])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_flag_in_the_docs_exists(page: Path):
    known = {name for phase in PHASES for model in models.names() for name in read(phase, ["--model", model]).declared}
    used = set(re.findall(r"--([a-zA-Z]\w+)", page.read_text()))
    assert used - known - set(OLD) - set(NOT_OURS) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_and_file_in_the_docs_exists(page: Path):
    text = page.read_text()
    links = [page.parent / link for link in re.findall(r'\]\(([^)#:"]+)\)', text)]
    named = [ROOT / name for name in re.findall(r"`((?:models|data|options|util|tests|docs|recipes|datasets)/[\w/.]+\.\w+)`",
                                                text) if "xyz" not in name]
    assert [str(path) for path in links + named if not path.exists()] == []


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.txt")), ids=lambda path: path.stem)
def test_recipes_are_accepted(recipe: Path):
    assert read("train", [f"@{recipe}"]).sources["model"] == f"@{recipe}"


def test_the_plain_commands_of_the_readme_are_those_of_the_makefile():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for command in ("datasets/toy_maps.py --size 128 --n_test 20", "train.py @recipes/toy_pix2pix.txt",
                    "train.py @recipes/toy_cyclegan.txt", "--load_size 128 --crop_size 128"):
        assert command in readme and command in makefile
