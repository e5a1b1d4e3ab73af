"""--compile: the same networks, files and numbers."""
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from helpers.images import read_pixels
from helpers.short_nets import shorten_nets

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler (g++) on the CPU")]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled takes minutes otherwise, where nothing was compiled before."""
    shorten_nets(monkeypatch)


def test_compiled_networks_keep_their_files_and_numbers(
        train: Callable[..., Path], translate: Callable[..., Path], tmp_path: Path):
    line = "--model template --no_dropout --max_dataset_size 1"
    plain = shutil.copytree(train(line), tmp_path / "plain")
    exact = read_pixels(translate("--model template --num_test 1") / "images" / "1_fake_B.png").astype(int)
    run = train(f"{line} --compile")
    ours, theirs = (torch.load(folder / "latest_net_G.pth", weights_only=True) for folder in (run, plain))
    assert list(ours) == list(theirs)
    assert all((ours[key] - theirs[key]).abs().mean() < 1e-4 for key in ours if key.endswith("weight"))
    near = read_pixels(translate("--model template --num_test 1") / "images" / "1_fake_B.png").astype(int)
    assert abs(exact - near).max() <= 3


def test_a_gradient_penalty_has_its_second_derivatives_in_compiled_networks_too(train: Callable[..., Path]):
    line = "--model pix2pix --gan_mode wgangp --netD pixel --no_dropout --max_dataset_size 1"
    plain = torch.load(train(line) / "latest_net_D.pth", weights_only=True)
    ours = torch.load(train(f"{line} --compile") / "latest_net_D.pth", weights_only=True)
    assert all((ours[key] - plain[key]).abs().max() < 1e-3 for key in plain)


def test_a_missing_compiler_is_told_kindly(
        train: Callable[..., Path], failure: Callable, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    code, said = failure(train, "--model template --netG resnet_6blocks --ngf 2 --max_dataset_size 1 --compile")
    assert code == 1 and "leave out --compile" in said
