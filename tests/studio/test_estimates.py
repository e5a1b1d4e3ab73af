"""How long a training will take, and how that is known."""
import json
import platform
import sys
from pathlib import Path

import pytest

pytest.importorskip("psutil", reason="NOT TESTED: the extra app is not installed")

from helpers.commands import TINY
from options.groups import TrainCommandOptions
from studio.estimates import Estimate, Pace, Rate, in_words
from studio.home import Home
from studio.lines import Line
from studio.training_words import Asked, Wish, asked
from studio.trainings import STARTED, Trainings
from util.errors import UserError

RATE = Rate(8, 10, 20, "Found by looking.")
FLAGS = TINY.partition(" --n_epochs")[0] + " --val_freq 0"


@pytest.fixture
def home(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    return Home((Path("dataset"),), Path("checkpoints"), Path("results"))


def test_images_times_epochs_over_images_a_second():
    estimate = Estimate(images=400, epochs=100, rate=RATE)
    assert estimate.seconds == 4000
    assert estimate.epochs_in_time is None
    assert str(estimate).startswith("**about 67 min** (33 min to 83 min) for 100 epochs of 400 images at 10 images/s. "
                                    "Found by looking.")


def test_epochs_that_fit_in_the_minutes():
    assert Estimate(400, 100, RATE, minutes=2).epochs_in_time == 3
    assert "stops after 2 minutes, in which about 3 epochs are done" in str(Estimate(400, 100, RATE, minutes=2))
    assert Estimate(400, 100, RATE, minutes=1000).epochs_in_time is None


@pytest.mark.parametrize(("seconds", "words"), [
    (0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (50 * 3600, "2.1 days")])
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


def earlier_run(home: Home, like: Asked, rates: list[float], **changes: object) -> None:
    """A run of the app on this machine, with the options of `like`."""
    folder = home.checkpoints / "earlier"
    folder.mkdir(parents=True)
    rows = json.loads(like.options.as_json())
    for name, value in changes.items():
        rows[name]["value"] = value
    (folder / "train_opt.json").write_text(json.dumps(rows))
    (folder / "metrics.jsonl").write_text("".join(
        json.dumps({"images_per_s": rate, "losses": {"G": 1.0}}) + "\n" for rate in rates) + '{"images_per_s": \n')
    (folder / STARTED).write_text(json.dumps({
        "pid": 2 ** 30, "began": 1.0, "at": 5.0, "machine": platform.node(), "line": "", "model": "", "data": ""}))


def test_the_pace_of_an_earlier_run_with_the_same_settings(home):
    wanted = asked(home, Wish("dataset", "maps", epochs=10, more=FLAGS))
    earlier_run(home, wanted, [0.0, 1.0, 2.0, 4.0, 4.0, 8.0], n_epochs=3, direction="BtoA")
    known = Pace(Trainings(home.checkpoints)).known(wanted)
    assert known.startswith("**about 10 s** (10 s to 20 s) for 10 epochs of 4 images at 4 images/s. "
                            "That was the pace of earlier")


@pytest.mark.parametrize("change", [{"ngf": 64}, {"crop_size": 256}, {"batch_size": 2}, {"gpu_ids": "0"}])
def test_a_run_with_other_settings_says_nothing(home, change):
    wanted = asked(home, Wish("dataset", "maps", epochs=10, more=FLAGS))
    earlier_run(home, wanted, [4.0], **change)
    assert Pace(Trainings(home.checkpoints)).known(wanted) == ""


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
def test_some_real_steps_are_timed_once(home, monkeypatch):
    monkeypatch.setattr("studio.estimates.SECONDS", 0.5)
    pace = Pace(Trainings(home.checkpoints))
    wanted = asked(home, Wish("dataset", "maps", epochs=1000, more=FLAGS))
    said = pace.timed(wanted)
    assert "for 1000 epochs of 4 images at" in said
    assert "Measured just now on this machine, a fair guess" in said
    more = asked(home, Wish("dataset", "maps", epochs=2000, direction="BtoA", more=FLAGS))
    assert "for 2000 epochs of 4 images at" in pace.known(more)  # without timing again
    assert not home.checkpoints.exists()
    assert wanted.options.view(TrainCommandOptions).max_dataset_size == float("inf")


def test_steps_that_fail_say_why(home, monkeypatch):
    says = "import sys; print('note: x'); sys.exit('error: 4 of 4 images are bad')"
    monkeypatch.setattr(Line, "argv", property(lambda line: [sys.executable, "-c", says]))
    with pytest.raises(UserError, match="the steps that were to be timed failed: 4 of 4 images are bad"):
        Pace(Trainings(home.checkpoints)).timed(asked(home, Wish("dataset", "maps", more=FLAGS)))
