"""Small folders of images, and options without a command line, for all tests."""
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tiny networks only wait for a second thread


def write_image(path: Path, width: int = 32, height: int = 32, seed: int = 0) -> Path:
    """A smooth, colourful RGB image, different for each seed."""
    rng = np.random.default_rng(seed)
    corners = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    corners.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def write_pairs(folder: Path, count: int, side: int = 32) -> Path:
    """Aligned images A|B of side x side each, named 1.png, 2.png, ..."""
    for number in range(1, count + 1):
        write_image(folder / f"{number}.png", 2 * side, side, seed=number)
    return folder


def read_pixels(path: Path) -> np.ndarray:
    """The image as uint8 (H, W, 3)."""
    return np.asarray(Image.open(path).convert("RGB"))


def answer_by_hand(net: Any, image: np.ndarray) -> np.ndarray:
    """What a generator makes of an image, both uint8 (H, W, 3) or (H, W)."""
    import torch

    x = torch.from_numpy(image.astype(np.float32) / 127.5 - 1)
    x = x[None, None] if x.ndim == 2 else x.permute(2, 0, 1)[None]
    with torch.no_grad():
        y = net(x)[0]
    return ((y + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def load_command(name: str) -> ModuleType:
    """train.py, test.py or evaluate.py as a module; `test` is also the name of Python's own test suite."""
    spec = importlib.util.spec_from_file_location(f"{name}_command", ROOT / f"{name}.py")
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    return command


@pytest.fixture
def dataroot(tmp_path: Path) -> Path:
    """A dataset in every layout: train and test (pairs), trainA, trainB, testA, testB; 4 images of 32 pixels each."""
    root = tmp_path / "dataset"
    for phase in ("train", "test", "val"):
        write_pairs(root / phase, 4)
        for side in "AB":
            for number in range(1, 5):
                write_image(root / f"{phase}{side}" / f"{number}.png", seed=ord(side) + number)
    return root


TINY = ("--netG resnet_6blocks --ngf 4 --ndf 4 --load_size 36 --crop_size 32 --num_threads 0 --display_id 0 "
        "--gpu_ids -1 --precision fp32 --n_epochs 1 --n_epochs_decay 0")


@pytest.fixture
def train(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs train.py on `dataroot` with tiny networks in tmp_path; returns the run's folder."""
    import train as command

    monkeypatch.chdir(tmp_path)

    def run(line: str) -> Path:
        command.main(f"--dataroot {dataroot} --name run --overwrite {TINY} {line}".split())
        return tmp_path / "checkpoints" / "run"
    return run


@pytest.fixture
def translate(tmp_path: Path, dataroot: Path) -> Callable[..., Path]:
    """Runs test.py on `dataroot` (after `train`); returns the results folder."""
    command = load_command("test")

    def run(line: str) -> Path:
        command.main(f"--dataroot {dataroot} --name run --num_threads 0 --gpu_ids -1 {line}".split())
        return tmp_path / "results" / "run" / "test_latest"
    return run


@pytest.fixture
def failure(capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    """Calls a command that must end the process; returns its exit code and what it wrote to stderr."""
    def run(command: Callable, line: str) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            command(line)
        return exit.value.code, capsys.readouterr().err
    return run
