"""Any combination of options either trains and then translates, or is refused before training with a message.

BOTHWAYS_DRAWS=300 pytest tests/commands/test_properties.py draws more of them.
"""
import io
import json
import math
import os
import runpy
import shlex
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import data
import models
import train
from helpers.commands import ROOT
from helpers.images import write_image
from options.groups import DataOptions, TrainingOptions
from options.schema import assemble

DRAWS = int(os.environ.get("BOTHWAYS_DRAWS", 25))
STEPS = 2
MODELS = models.names()
translate = runpy.run_path(str(ROOT / "test.py"))["main"]  # `import test` is Python's own suite
flags = st.booleans().map(lambda given: "true" if given else "false")
sides = st.sampled_from([*range(8, 80), *range(80, 301, 10)])
sizes = st.tuples(sides, sides)

# The images of each dataset, as (width, height), the same number of them for A, for B and for pairs.
SHAPES = {
    "mixed": [(8, 8), (320, 200), (37, 61), (64, 48), (100, 90), (20, 33)],
    "large": [(310, 310), (320, 300), (300, 320), (301, 303), (320, 320), (305, 311)],
    "equal": [(48, 40)] * 6,
    "tiny": [(8, 8), (9, 11), (12, 8), (15, 15), (8, 16), (10, 10)],
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> dict[str, Path]:
    """A folder for each of SHAPES, with the layouts of all dataset modes."""
    above = tmp_path_factory.mktemp("datasets")
    for name, shapes in SHAPES.items():
        for number, (width, height) in enumerate(shapes):
            write_image(above / name / "train" / f"{number}.png", 2 * width, height, number)
            write_image(above / name / "trainA" / f"{number}.png", width, height, 10 + number)
            write_image(above / name / "trainB" / f"{number}.png", *shapes[number - 1], 20 + number)
    return {name: above / name for name in SHAPES}


def choices(model: str) -> dict[str, st.SearchStrategy]:
    """What to draw for each option of `model` that has a list of choices."""
    declared = assemble([TrainingOptions, DataOptions, *models.find(model).option_groups("train")])
    listed = {name: st.sampled_from(option.choices) for name, option in declared.items() if option.choices}
    return listed | ({"lambda_identity": st.sampled_from([0, 0.5])} if "lambda_identity" in declared else {})


@st.composite
def lines(draw: st.DrawFn, wild: bool) -> dict[str, object]:
    """Options of a training, by name. wild: they are not kept from what can only be refused."""
    model = draw(st.sampled_from(MODELS if wild else [name for name in MODELS if name != "test"]))
    listed = choices(model)
    load_size, crop_size = draw(sizes if wild else sizes.map(lambda pair: sorted(pair, reverse=True)))
    always = {name: listed[name] for name in ("netG", "netD", "norm", "preprocess")} | {
        "n_layers_D": st.integers(1, 5), "batch_size": st.integers(1, 3), "no_dropout": flags, "no_flip": flags}
    sometimes = {name: listed[name] for name in ("direction", "gan_mode", "lambda_identity", "init_type")
                 if name in listed}
    for name, known in models.find(model).channels.items():
        sometimes[name] = st.integers(1, 4) if wild else st.sampled_from(known)
    if wild:
        sometimes["dataset_mode"] = st.sampled_from(data.names())
    others = draw(st.fixed_dictionaries(always, optional=sometimes))
    return {"model": model, "load_size": load_size, "crop_size": crop_size} | others


def outcome(command: Callable, line: str) -> str:
    """'done' when the command runs through, 'refused' when it leaves as it does on the user's mistakes."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            command(shlex.split(line))
    except SystemExit as exit:
        assert (exit.code, said.getvalue()[:7]) == (2, "error: "), said.getvalue()
        assert len(said.getvalue()) > 20 and "Traceback" not in said.getvalue()
        print(said.getvalue())
        return "refused"
    return "done"


def check(here: Path, dataroot: Path, drawn: dict[str, object], test_model: str) -> str:
    """Train STEPS steps with the options `drawn`, translate two images, look at what was written: 'done' or 'refused'.
    """
    count = STEPS * drawn["batch_size"]
    line = " ".join(f"--{name} {value}" for name, value in drawn.items())
    common = f"--checkpoints_dir {here}/runs --name run --num_threads 0 --gpu_ids -1 --max_dataset_size {count}"
    print(f"train.py --dataroot {dataroot} {line}")
    trained = outcome(train.main, f"--dataroot {dataroot} {line} {common} --ngf 2 --ndf 2 --n_epochs 1 "
                                  "--n_epochs_decay 0 "
                                  "--print_freq 1 --display_id 0")
    if trained == "refused":
        assert [path.name for path in here.rglob("*") if path.is_file() and not path.name.startswith(".lock")] == []
        return trained
    losses = [json.loads(row) for row in (here / "runs" / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["images"] for row in losses] == [drawn["batch_size"], count]
    assert all(math.isfinite(value) for row in losses for value in row["losses"].values())

    if drawn["model"] == "colorization":  # --model test would show its two colour channels, which are no picture
        test_model = "same"
    mode = f"--dataset_mode {drawn['dataset_mode']}" if "dataset_mode" in drawn else ""
    source = f"--dataroot {dataroot}/train{'B' if drawn.get('direction') == 'BtoA' else 'A'} --model test"
    same = f"--dataroot {dataroot} --model {drawn['model']} {mode} --phase train"
    assert outcome(translate, f"{source if test_model == 'test' else same} {common} --results_dir {here}/results "
                              "--num_test 2 "
                              f"--preprocess {drawn['preprocess']}") == "done"
    (folder,) = (here / "results" / "run").iterdir()
    names = json.loads((folder / "names.json").read_text())["names"]
    pictures = [Image.open(path) for path in (folder / "images").iterdir()]
    assert len(set(names)) == 2 and len(pictures) % 2 == 0 and len(pictures) >= 4
    assert all(min(picture.size) >= 8 for picture in pictures)
    assert (folder / "index.html").read_text().count("<section") == 2
    return "done"


BASE = {"load_size": 48, "crop_size": 32, "netG": "resnet_6blocks", "netD": "basic", "preprocess": "none",
        "batch_size": 1}


@pytest.mark.parametrize("images, drawn, expected", [
    ("mixed", {"model": "cycle_gan", "gan_mode": "wgangp"}, "done"),  # real and generated images differ in size
    ("mixed", {"model": "cycle_gan", "batch_size": 2}, "refused"),  # and cannot form a batch
    ("mixed", {"model": "pix2pix", "preprocess": "crop"}, "refused"),  # smaller than the crop
    ("equal", {"model": "pix2pix", "dataset_mode": "colorization"}, "refused"),  # lightness and colour are no picture
    ("equal", {"model": "colorization", "dataset_mode": "aligned"}, "refused"),  # and a picture is not these
    ("equal", {"model": "colorization", "dataset_mode": "aligned", "input_nc": 1, "output_nc": 1}, "refused"),
    ("equal", {"model": "cycle_gan", "input_nc": 1}, "refused"),  # no identity loss
    ("equal", {"model": "cycle_gan", "input_nc": 1, "lambda_identity": 0, "direction": "BtoA"}, "done"),
    ("large", {"model": "pix2pix", "netD": "n_layers", "n_layers_D": 6, "batch_size": 3,
               "preprocess": "scale_width_and_crop",
               "norm": "syncbatch", "direction": "BtoA", "input_nc": 1}, "done"),
], ids=str)
def test_combinations_on_the_edge(datasets, tmp_path, images, drawn, expected):
    assert check(tmp_path, datasets[images], BASE | drawn, "same") == expected


@pytest.mark.slow
@pytest.mark.parametrize("wild, draws", [(False, DRAWS * 3 // 4), (True, DRAWS // 4)], ids=["fair", "wild"])
def test_any_options_train_and_translate_or_are_refused(wild, draws, datasets, tmp_path_factory):
    """Fair and wild lines are drawn apart, since a draw is often a variation of the one before."""
    seen: Counter[str] = Counter()

    @settings(max_examples=draws, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(list(SHAPES)), lines(wild), st.sampled_from(["same", "test"]))
    def draw(images: str, drawn: dict[str, object], test_model: str) -> None:
        seen[check(tmp_path_factory.mktemp("draw"), datasets[images], drawn, test_model)] += 1

    draw()
    print(dict(seen))
    assert seen["refused"] > 0 if wild else seen["done"] > draws / 3
