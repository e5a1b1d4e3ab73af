"""Which numbers and pictures reach the page, the live view and wandb, and at which image of the training."""
import json
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.images import read_pixels
from helpers.trainings import validations
from pages.training_page import TrainingPage

IN_ORDER = "--model template --serial_batches --no_flip --load_size 32 --n_epochs 2"  # 8 images: 1 2 3 4 1 2 3 4


class View:
    """What the live view and wandb are told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple] = []
        self.closed = False

    def plot_losses(self, *what: object) -> None:
        self.told.append(("losses", *what))

    def show_images(self, *what: object) -> None:
        self.told.append(("images", *what))

    def plot_validation(self, *what: object) -> None:
        self.told.append(("validation", *what))

    log_losses, log_images, log_validation = plot_losses, show_images, plot_validation

    def of(self, kind: str) -> list[tuple]:
        return [what for word, *what in self.told if word == kind]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> View:
    view = View()
    monkeypatch.setattr("runs.recorder.open_live_view", lambda *how: view)
    return view


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> View:
    view = View()
    monkeypatch.setattr("runs.recorder.open_wandb", lambda *how: view)
    return view


@pytest.fixture
def pairs(dataroot: Path) -> dict[int, np.ndarray]:
    """The left halves of the training pairs, by number: what real_A shows."""
    return {number: read_pixels(dataroot / "train" / f"{number}.png")[:, :32] for number in range(1, 5)}


def which(picture: np.ndarray, pairs: dict[int, np.ndarray]) -> int:
    return next(number for number, pair in pairs.items() if np.array_equal(picture, pair))


def test_the_live_view_is_fed_as_often_as_asked(train: Callable[..., Path], live: View, pairs: dict):
    train(f"{IN_ORDER} --print_freq 2 --display_freq 3")
    assert [position for position, _ in live.of("losses")] == [0.5, 1, 1.5, 2]
    assert all(losses.keys() == {"G"} and losses["G"] > 0 for _, losses in live.of("losses"))
    shown = [images for images, in live.of("images")]
    assert [which(images["real_A"], pairs) for images in shown] == [3, 2]  # the third and the sixth of the training
    assert list(shown[0]) == ["real_A", "fake_B", "real_B"]
    assert live.closed


def test_what_the_live_view_says_goes_above_the_bar(train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr("runs.progress.Progress.say", lambda progress, line: said.append(line))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        train(f"{IN_ORDER} --display_id 1 --display_server http://127.0.0.1 --display_port {unused.getsockname()[1]}")
    assert sum(line.startswith("Live view: no visdom server answers at http://127.0.0.1:") for line in said) == 1


def test_wandb_is_told_at_the_image_where_it_happens(train: Callable[..., Path], wandb: View, pairs: dict):
    train(f"{IN_ORDER} --print_freq 4 --display_freq 3")
    assert [total for total, _ in wandb.of("losses")] == [4, 8]
    told = [(total, epoch, which(images["real_A"], pairs)) for total, epoch, images in wandb.of("images")]
    assert told == [(3, 1, 3), (6, 2, 2)]
    assert wandb.closed


def test_what_is_measured_reaches_every_viewer(train: Callable[..., Path], live: View, wandb: View):
    run = train("--model template --n_epochs 4 --val_freq 2 --val_samples 1")
    logged = [row["validation"] for row in validations(run)]
    assert live.of("validation") == [[2.0, logged[0]], [4.0, logged[1]]]
    assert wandb.of("validation") == [[8, logged[0]], [16, logged[1]]]
    samples = [(total, epoch, images["sample 1: 1"]) for total, epoch, images in wandb.of("images")
               if "sample 1: 1" in images]
    assert [where for *where, _ in samples] == [[8, 2], [16, 4]]
    for _, epoch, made in samples:
        np.testing.assert_array_equal(made, read_pixels(run / f"web/images/val_0001_epoch{epoch:03d}_fake_B.png"))
    curve = json.loads((run / "web/page.json").read_text())["validation"]["L1"]
    assert str(logged[0]["L1"]) in json.dumps(curve) and str(logged[1]["L1"]) in json.dumps(curve)


@pytest.mark.parametrize("frequency, expected", [
    (2, [(1, 2), (1, 4), (1, 4), (2, 2), (2, 4), (2, 4)]),  # (epoch, image)
    (3, [(1, 3), (1, 4), (2, 2), (2, 4)]),
    (1000, [(1, 4), (2, 4)]),
])
def test_the_page_is_written_as_often_as_asked_and_after_each_epoch(
        train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, pairs: dict, frequency: int, expected: list):
    written = []
    add_pictures = TrainingPage.add_pictures

    def watched(page: TrainingPage, epoch: int, images: list[tuple[str, str]]) -> None:
        written.append((epoch, which(read_pixels(page.web_dir / "images" / dict(images)["real_A"]), pairs)))
        add_pictures(page, epoch, images)
    monkeypatch.setattr(TrainingPage, "add_pictures", watched)
    train(f"{IN_ORDER} --update_html_freq {frequency}")
    assert written == expected


def test_frequencies_count_images_also_in_batches(train: Callable[..., Path], live: View, pairs: dict):
    train(f"{IN_ORDER} --batch_size 3 --display_freq 4 --print_freq 5")  # steps end at images 3, 4, 7, 8
    assert [position for position, _ in live.of("losses")] == [1, 1.75, 2]  # at least once an epoch, and the last step
    assert [which(images["real_A"], pairs) for images, in live.of("images")] == [4, 4]
