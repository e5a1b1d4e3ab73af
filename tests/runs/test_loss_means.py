"""Lines of losses tell means over the steps since the line before."""
import json
import math
import re
from pathlib import Path

import pytest
import torch

import train as command
from engine.step_result import StepResult
from helpers.trainings import fingerprint, metrics, same, stop_after
from models.pix2pix_model import DISTANCES
from runs.loss_means import LossMeans


def step(finite: bool = True, **losses: float) -> StepResult:
    return StepResult({name: torch.tensor(value) for name, value in losses.items()}, {}, torch.tensor(finite))


def means_of(*steps: StepResult) -> LossMeans:
    means = LossMeans(torch.device("cpu"))
    for result in steps:
        means.add(result)
    return means


def test_means_over_the_steps_since_the_last_time():
    means = means_of(step(D=1.0, G=10.0), step(D=2.0, G=40.0), step(D=6.0, G=40.0))
    assert means.take() == {"D": 3.0, "G": 30.0}
    assert means.take() == {}
    means.add(step(D=0.5, G=7.0))
    assert means.take() == {"D": 0.5, "G": 7.0}


def test_a_refused_step_does_not_count():
    means = means_of(step(D=1.0, G=10.0), step(finite=False, D=8.0, G=math.nan), step(finite=False, D=math.inf),
                     step(D=3.0, G=30.0))
    assert means.take() == {"D": 2.0, "G": 20.0}
    assert means_of(step(finite=False, D=8.0)).take() == {}


def test_its_memory_is_its_own_and_the_sums_are_wide():
    """A recorded step writes over its losses; a sum of many small numbers beside a large one is not lost in fp32."""
    loss, means = torch.tensor(2.0 ** 24), LossMeans(torch.device("cpu"))
    for _ in range(4):
        means.add(StepResult({"D": loss}, {}, torch.tensor(True)))
        loss.fill_(1.0)
    assert means.take() == {"D": (2 ** 24 + 3) / 4}


def test_its_state_goes_on():
    first, second = means_of(step(D=1.0), step(D=2.0)), LossMeans(torch.device("cpu"))
    second.load_state(first.state())
    second.add(step(D=6.0))
    assert second.take() == {"D": 3.0}


def losses_of(folder: Path) -> dict[int, dict[str, float]]:
    """The lines of losses by the number of images in all."""
    return {line["total"]: line["losses"] for line in metrics(folder)}


def mean_of(single: dict[int, dict[str, float]], steps: range) -> dict[str, float]:
    return {name: sum(single[step][name] for step in steps) / len(steps) for name in single[steps[0]]}


def test_a_training_logs_and_shows_means(line, tmp_path: Path):
    """Twelve steps of one image, four an epoch."""
    command.main(line("single", "--model pix2pix"))
    command.main(line("means", "--model pix2pix --print_freq 6 --no_html false"))
    single, means = (losses_of(tmp_path / "checkpoints" / name) for name in ("single", "means"))
    assert list(means) == [4, 6, 12]  # at least a line an epoch
    for total, steps in ((4, range(1, 5)), (6, range(5, 7)), (12, range(7, 13))):
        assert means[total] == pytest.approx(mean_of(single, steps), rel=1e-9)
        assert means[total] != pytest.approx(single[total], rel=1e-3)
    web = tmp_path / "checkpoints/means/web"
    curve = json.loads((web / "page.json").read_text())["curves"]["G_L1"]
    assert curve["points"] == [[total / 4, losses["G_L1"]] for total, losses in means.items()]
    dotted = re.findall(r'class="equilibrium">.*?<text[^>]*>([^<]*)<', (web / "index.html").read_text())
    assert dotted == ["0.693"] * 3  # ln 2, of D_real, D_fake and G_GAN; G_L1 has none


@pytest.mark.parametrize("stopped", [5, 7])  # in the middle of a mean; after a line, in an epoch that needs no other
def test_a_stop_between_two_lines_changes_neither(stopped: int, line, tmp_path: Path):
    options = "--model pix2pix --print_freq 6"
    command.main(line("whole", options))
    with pytest.raises(SystemExit), stop_after(stopped):
        command.main(line("parts", options))
    command.main(line("parts", f"{options} --continue_train"))
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/parts"))


def test_an_epoch_whose_last_step_is_refused_has_its_line(line, tmp_path: Path, monkeypatch, capsys):
    command.main(line("single", "--model pix2pix"))
    l1_loss, calls = torch.nn.functional.l1_loss, []

    def infinite_in_the_last_step(*images: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return l1_loss(*images) * (math.inf if len(calls) == 4 else 1)
    monkeypatch.setitem(DISTANCES, "L1", infinite_in_the_last_step)
    command.main(line("run", "--model pix2pix --print_freq 100 --on_nan skip --n_epochs 1 --n_epochs_decay 0"))
    assert "the update is left out, 1 so far" in capsys.readouterr().out
    found = losses_of(tmp_path / "checkpoints/run")
    assert list(found) == [4]
    assert found[4] == pytest.approx(mean_of(losses_of(tmp_path / "checkpoints/single"), range(1, 4)), rel=1e-9)
