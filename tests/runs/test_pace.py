"""The pace of a training: means over all steps since the last line, by a clock that the tests turn themselves."""
import json
import re

import pytest

from helpers.trainings import stop_after
from runs import pace
from runs.pace import Forecast, Pace, Stopwatch
from runs.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def pass_by(self, seconds: float) -> None:
            self.now += seconds
    clock = Clock()
    monkeypatch.setattr(pace.time, "perf_counter", lambda: clock.now)
    return clock


def test_a_lap_is_the_mean_of_its_steps(clock):
    def batches():
        for seconds in (1, 2, 6):
            clock.pass_by(seconds)
            yield "batch"

    watch = Stopwatch()
    laps = []
    for step, _ in enumerate(watch.watch(batches())):
        clock.pass_by(0.5)
        if step != 0:
            laps.append(watch.lap(images=4, left=40))
    assert laps == [Pace(compute=1 / 4, data=3 / 4, left=40), Pace(compute=0.5 / 4, data=6 / 4, left=40)]


def test_the_pace_in_words():
    shown = Pace(compute=0.3, data=0.1, left=10_000)
    assert (shown.images_per_s, shown.eta_s) == (pytest.approx(2.5), pytest.approx(4000))
    assert str(shown) == "2.5 images/s, 25% waiting for data, 1:06:40 left"


def test_the_console_and_the_metrics_tell_the_pace(train, capsys):
    folder = train("--model template --print_freq 2 --n_epochs 2")
    pace = r"iters: \d.* G: [\d.]+  ([\d.]+) images/s, \d+% waiting for data, [\d:]+ left"
    said = re.findall(pace, capsys.readouterr().out)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert said == [f"{row['images_per_s']:.3g}" for row in rows]
    assert [row["total"] for row in rows] == [2, 4, 6, 8]
    assert [row["eta_s"] * row["images_per_s"] for row in rows] == pytest.approx([6, 4, 2, 0])
    assert [1 / (row["time"] + row["data"]) for row in rows] == pytest.approx([row["images_per_s"] for row in rows])
    assert "images/s" not in (folder / "loss_log.txt").read_text()


def test_a_training_that_goes_on_times_only_its_own_images(train, monkeypatch):
    laps, lap = [], Stopwatch.lap
    train("--model template --print_freq 2")

    def noted(watch: Stopwatch, images: int, left: int) -> Pace:
        laps.append((images, left))
        return lap(watch, images, left)
    monkeypatch.setattr(Stopwatch, "lap", noted)
    train("--model template --print_freq 2 --n_epochs 2 --continue_train")
    assert laps == [(2, 2), (2, 0)]


@pytest.mark.parametrize(("seconds", "left", "expected"), [
    (40.0, 41_040, "note: this training will take about 19 days on this CPU; a GPU, --netG resnet_6blocks or a smaller "
                   "--crop_size (with --load_size) are faster"),
    (1.0, 41_040, ""),  # 11 hours
])
def test_a_long_training_is_told_once_the_first_steps_are_timed(clock, seconds: float, left: int, expected: str):
    forecast, said = Forecast("cpu"), []
    for step in range(12):
        clock.pass_by(300 if step == 0 else seconds)  # the first one is slow
        said.append(forecast.after_step(images=1, left=left))
    assert [line for line in said if line] == ([expected] if expected else [])
    assert said[:5] == [""] * 5


def test_a_training_tells_how_long_it_will_take(train, tmp_path, monkeypatch):
    monkeypatch.setattr(pace, "FIRST", (2, 0))
    with pytest.raises(SystemExit), stop_after(6):
        train("--model template --n_epochs 100000000")
    log = (tmp_path / "checkpoints/run/loss_log.txt").read_text()
    assert len(re.findall(r"note: this training will take about [\d.e+]+ days on this CPU; a GPU, ", log)) == 1


@pytest.mark.parametrize("animated", [True, False])
def test_the_bar_moves_from_the_first_step_on(animated: bool, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: animated)
    progress = Progress(1000)
    progress.advance(3, "epoch 1/2")
    assert "epoch 1/2:   0%|          | 3/1000" in capsys.readouterr().err
