"""--use_wandb, against a stand-in for the wandb module that keeps what it is told."""

import sys
from types import ModuleType

import numpy as np
import pytest

from runs.wandb_log import open_wandb
from util.errors import UserError


class FakeRun:
    def __init__(self):
        self.logged = []
        self.finished = False

    def log(self, data, step):
        self.logged.append((step, data))

    def finish(self):
        self.finished = True


class FakeImage:
    def __init__(self, data, caption):
        self.data, self.caption = data, caption


@pytest.fixture
def wandb(monkeypatch):
    module = ModuleType("wandb")
    module.run, module.Image = FakeRun(), FakeImage

    def init(**settings):
        module.settings = settings
        return module.run

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_not_asked_for_is_not_touched(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert open_wandb(False, "project", "maps", {}) is None


def test_missing_package_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="`pip install wandb`, or leave out --use_wandb"):
        open_wandb(True, "project", "maps", {})


def test_run_carries_project_name_and_options(wandb):
    open_wandb(True, "CycleGAN-and-pix2pix", "maps", {"lambda_A": 10.0})
    assert wandb.settings == {"project": "CycleGAN-and-pix2pix", "name": "maps", "config": {"lambda_A": 10.0}}


def test_the_flags_reach_it(wandb, train):
    train("--model template --use_wandb --wandb_project_name streets --lambda_regression 3 --print_freq 4")
    assert (wandb.settings["project"], wandb.settings["name"]) == ("streets", "run")
    assert wandb.settings["config"]["lambda_regression"] == 3
    assert [(step, list(data)) for step, data in wandb.run.logged] == [(4, ["losses/G"])]
    assert wandb.run.finished


def test_losses_and_images_of_one_name_do_not_collide(wandb):
    log = open_wandb(True, "project", "maps", {})
    picture = np.full((4, 5, 3), 7, np.uint8)
    log.log_losses(400, {"idt_A": 0.5, "G_A": 1.25})
    log.log_images(400, 3, {"idt_A": picture})

    (loss_step, losses), (image_step, images) = wandb.run.logged
    assert loss_step == image_step == 400
    assert losses == {"losses/idt_A": 0.5, "losses/G_A": 1.25}
    assert list(images) == ["images/idt_A"]
    np.testing.assert_array_equal(images["images/idt_A"].data, picture)
    assert images["images/idt_A"].caption == "epoch 3"


def test_what_is_measured_is_told_from_losses(wandb):
    open_wandb(True, "project", "maps", {}).log_validation(800, {"L1": 0.5})
    assert wandb.run.logged == [(800, {"validation/L1": 0.5})]


def test_close_finishes_the_run(wandb):
    log = open_wandb(True, "project", "maps", {})
    assert not wandb.run.finished
    log.close()
    assert wandb.run.finished
