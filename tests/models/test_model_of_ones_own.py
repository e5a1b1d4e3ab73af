"""The example of docs/models.md, taken from the page as it stands: one new file, and nothing else is edited."""
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import models
from helpers.commands import ROOT
from helpers.images import read_pixels


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's model as a file in a folder of models; its text."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "models.md").read_text(), re.DOTALL)
    folder = tmp_path / "my_models"
    folder.mkdir()
    (folder / "percept_model.py").write_text(code)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(folder)])
    return code


def test_it_trains_measures_averages_and_translates(example: str, train: Callable[..., Path],
                                                    translate: Callable[..., Path]):
    assert example.count("\n") < 100
    run = train("--model percept --lr_policy plateau --n_epochs 2")
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [row["losses"] for row in rows if "losses" in row]
    assert list(losses[-1]) == ["D_real", "D_fake", "G_GAN", "G_feature", "G_inner"]
    measured = [row["validation"]["L1"] for row in rows if "validation" in row]
    assert len(measured) == 2 and all(0 < value < 2 for value in measured)
    assert sorted(path.name for path in run.glob("latest_net_*.pth")) == [
        "latest_net_D.pth", "latest_net_G.pth", "latest_net_G_ema.pth"]
    raw, mean = (torch.load(run / f"latest_net_{name}.pth", weights_only=True) for name in ("G", "G_ema"))
    assert raw.keys() == mean.keys()
    moved = max((raw[key] - mean[key]).abs().max().item() for key in raw if key.endswith("weight"))
    assert 0 < moved < 0.1
    shown = read_pixels(translate("") / "images" / "1_fake_B.png")
    averaged = read_pixels(translate("--model test --dataset_mode single --model_suffix _ema "
                                     f"--dataroot {run.parents[1] / 'dataset' / 'trainA'} --results_dir averaged")
                           .parents[2] / "averaged" / "run" / "test_latest" / "images" / "1_fake.png")
    assert shown.shape == averaged.shape == (32, 32, 3)


def test_it_is_shown_in_help(example: str, capsys: pytest.CaptureFixture):
    import train as command

    with pytest.raises(SystemExit) as left:
        command.main(["--model", "percept", "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert "--lambda_feature" in out and "hinge" in out
