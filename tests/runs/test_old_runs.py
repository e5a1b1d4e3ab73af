"""Runs that an earlier version left in the middle of an epoch: they go on with the numbers they would have had."""
import json
import tarfile
from pathlib import Path

import pytest

import train as command
from helpers.commands import ROOT

FLAGS = ("--netG resnet_6blocks --ngf 1 --ndf 1 --crop_size 32 --load_size 32 --no_flip --serial_batches --pool_size 3 "
         "--num_threads 0 --no_dropout true --lr 0.002 --n_epochs 2 --n_epochs_decay 1 --print_freq 1 --no_html "
         "--display_id 0 --gpu_ids -1 --precision fp32")
NOT_BY_CHANCE = {"pix2pix": ("D_real", "D_fake", "G_GAN", "G_L1"),
                 # CycleGAN's other terms come out of the image pools
                 "cycle_gan": ("cycle_A", "cycle_B", "idt_A", "idt_B")}


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, dict[str, float]]]:
    """The old runs lie in tmp_path/checkpoints; the losses by model, number of images and term."""
    monkeypatch.chdir(tmp_path)
    with tarfile.open(ROOT / "tests/fixtures/old_runs.tar.xz") as archive:
        archive.extractall("checkpoints", filter="data")
    return json.loads(Path("checkpoints/expected.json").read_text())


@pytest.mark.parametrize("model", NOT_BY_CHANCE)
def test_a_run_of_an_earlier_version_goes_on(model: str, expected, dataroot: Path, capsys: pytest.CaptureFixture):
    command.main(f"--dataroot {dataroot} --model {model} --name {model} {FLAGS} --continue_train".split())
    assert f"going on with checkpoints/{model} in epoch 2, after 2 images" in capsys.readouterr().out
    rows = [json.loads(row) for row in Path(f"checkpoints/{model}/metrics.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["total"]) for row in rows] == [(1 + n // 4, n + 1) for n in range(12)]
    for images, losses in expected[model].items():  # the second step sees whether the optimizers' moments are there
        found = rows[int(images) - 1]["losses"]
        assert {name: found[name] for name in NOT_BY_CHANCE[model]} == pytest.approx(
            {name: losses[name] for name in NOT_BY_CHANCE[model]}, rel=1e-4)


def test_without_its_state_it_goes_on_with_other_numbers(expected, dataroot: Path):
    """What the test above can see: new optimizers and another place."""
    Path("checkpoints/pix2pix/latest_state.pth").unlink()
    command.main(f"--dataroot {dataroot} --model pix2pix --name pix2pix {FLAGS} --continue_train".split())
    rows = [json.loads(row) for row in Path("checkpoints/pix2pix/metrics.jsonl").read_text().splitlines()]
    eighth = rows[6 + 1]["losses"]["G_L1"]
    assert abs(eighth / expected["pix2pix"]["8"]["G_L1"] - 1) > 1e-3
