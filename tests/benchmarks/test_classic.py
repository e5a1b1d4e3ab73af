"""The classic code, as the benchmarks describe it, computes what this project computes."""
import importlib.util
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.commands import ROOT
from networks.generators import GENERATORS
from runs.weight_files import save_nets


@pytest.fixture(scope="module")
def classic() -> ModuleType:
    spec = importlib.util.spec_from_file_location("classic", ROOT / "benchmarks/classic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_translates_alike(classic, tmp_path):
    ours = GENERATORS["resnet_9blocks"].build(3, 3, 2, "instance", False)
    save_nets(tmp_path, "latest", {"G": ours})
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for number in range(2):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(pixels + np.uint8(number)).save(tmp_path / "in" / f"{number}.png")
    classic.test(tmp_path / "in", tmp_path / "latest_net_G.pth", tmp_path / "out", 16, 1)
    assert sorted(file.name for file in (tmp_path / "out/images").iterdir()) == ["0_fake.png", "0_real.png"]
    assert "0_fake.png" in (tmp_path / "out/index.html").read_text()
    shown = np.asarray(Image.open(tmp_path / "out/images/0_fake.png")).astype(int)
    with torch.no_grad():
        made = ours(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1)[0].permute(1, 2, 0).numpy()
    assert np.abs(shown - (made + 1) * 127.5).max() <= 1.01
