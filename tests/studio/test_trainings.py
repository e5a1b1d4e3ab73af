"""Trainings as processes of their own: started, stopped, gone on with, and found again by their folders."""
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

psutil = pytest.importorskip("psutil", reason="NOT TESTED: the extra app is not installed")

from helpers.commands import TINY
from runs.lock import run_lock
from runs.state_file import load_state
from studio.home import Home
from studio.news import News, new_to
from studio.processes import began, kill_with_children
from studio.standing_view import progress
from studio.training_words import Wish, asked, going_on
from studio.trainings import LOG, STARTED, AlreadyThere, Standing, Trainings
from util.errors import UserError

ENDLESS = Wish("dataset", "maps", epochs=100000, more=TINY.partition(" --n_epochs")[0] + " --print_freq 4 --val_freq 0")


@pytest.fixture
def home(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    return Home((Path("dataset"),), Path("checkpoints"), Path("results"))


def wait(trainings: Trainings, until: Callable[[Standing], bool]) -> Standing:
    """How the training stands as soon as `until` says so."""
    for _ in range(1200):
        standing = trainings.standing("maps")
        if until(standing):
            return standing
        time.sleep(0.05)
    pytest.fail(f"{standing}\n{(trainings.checkpoints / 'maps' / LOG).read_text()}")


def saved_images(home: Home) -> int:
    state, _ = load_state(home.checkpoints / "maps")
    return state["moment"]["total"]


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
def test_a_training_stops_and_goes_on_and_dies_and_is_found_again(home: Home):
    trainings = Trainings(home.checkpoints)
    line = asked(home, ENDLESS)
    trainings.start(line)
    try:
        assert trainings.standing("maps").state == "starting"
        standing = wait(trainings, lambda one: one.epoch > 0)
        assert (standing.state, standing.model, standing.data) == ("running", "pix2pix", "dataset")
        assert standing.line == str(line.line)
        assert standing.last_epoch == 100000
        assert standing.images_per_s > 0
        assert standing.seconds_left > 0

        again = Trainings(home.checkpoints)  # the app was closed and opened, or is opened twice
        assert again.process("maps").pid == trainings.process("maps").pid
        with pytest.raises(UserError, match="maps is being trained"):
            again.start(line)
        again.stop("maps")
        for app in (again, trainings, Trainings(home.checkpoints)):
            assert app.standing("maps").state == "stopping"
            with pytest.raises(UserError, match="was asked to stop"):  # a second signal would end it at once
                app.stop("maps")
        assert wait(trainings, lambda one: not one.at_work).state == "stopped"
        first = saved_images(home)
        assert first > 0
        with pytest.raises(UserError, match="maps is not being trained"):
            trainings.stop("maps")
        with pytest.raises(AlreadyThere, match="already holds a run"):
            trainings.start(line)

        trainings.start(going_on(home, "maps"))
        wait(trainings, lambda one: one.state == "running" and one.epoch > standing.epoch + 2)
        os.kill(trainings.process("maps").pid, signal.SIGKILL)
        died = wait(trainings, lambda one: not one.at_work)
        assert (died.state, died.said) == ("died", "")
        assert Trainings(home.checkpoints).standing("maps") == died
        assert going_on(home, "maps", minutes=2).line.words == (
            "--name", "maps", "--continue_train", "--max_minutes", "2")
        assert saved_images(home) == first
    finally:
        if process := trainings.process("maps"):
            kill_with_children(process)


@pytest.mark.usefixtures("forks")
@pytest.mark.slow
def test_a_training_that_fails_tells_why(home: Home):
    trainings = Trainings(home.checkpoints)
    (home.datasets[0] / "train" / "1.png").write_bytes(b"no picture")
    trainings.start(asked(home, ENDLESS))
    died = wait(trainings, lambda one: not one.at_work)
    assert died.state == "died"
    assert died.said.startswith("1 of 4 images are bad:")
    assert "repair or remove them" in died.said
    trainings._children["maps"].wait()
    assert trainings.names() == ["maps"]


def record(folder: Path, log: str, **changes: object) -> None:
    """What a training leaves whose process has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    started = {"pid": 2 ** 30, "began": 1.0, "at": 5.0, "machine": "here", "line": "python train.py",
               "model": "pix2pix", "data": "maps"}
    (folder / STARTED).write_text(json.dumps(started | changes))
    (folder / LOG).write_text(log)


def test_a_process_of_the_same_number_is_not_the_training(tmp_path):
    import platform

    record(tmp_path / "maps", "\n$ python train.py\nweights: maps\n", pid=os.getpid(), machine=platform.node())
    (tmp_path / "maps" / ".lock_holder").write_text(f"process {os.getpid()}")
    assert Trainings(tmp_path).process("maps") is None  # it began at another time, and holds no lock
    assert Trainings(tmp_path).standing("maps").state == "finished"


def test_no_stranger_is_stopped(tmp_path, monkeypatch):
    """The lock is held, but by another process than that of the number: one in a container, or on another machine."""
    (tmp_path / "maps").mkdir()
    with run_lock(tmp_path / "maps"):
        (tmp_path / "maps" / "loss_log.txt").touch()
        me = Trainings(tmp_path).process("maps")
        assert me.pid == os.getpid()
        (tmp_path / "maps" / ".lock_holder").write_text(f"process {os.getppid()}")
        assert Trainings(tmp_path).process("maps") is None
        with pytest.raises(UserError, match="maps is not being trained"):
            Trainings(tmp_path).stop("maps")
        (tmp_path / "maps" / ".lock_holder").write_text(f"process {os.getpid()}")
        monkeypatch.setattr(psutil.Process, "send_signal", lambda *_: (_ for _ in ()).throw(psutil.NoSuchProcess(1)))
        with pytest.raises(UserError, match="maps cannot be asked to stop .*Ctrl-C"):
            Trainings(tmp_path).stop("maps")
    assert Trainings(tmp_path).process("maps") is None


def test_a_process_that_has_ended_is_not_killed_in_the_body_of_another(monkeypatch):
    killed = []
    monkeypatch.setattr("os.kill", lambda *given: killed.append(given))
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(child.pid)
    child.wait()
    kill_with_children(process)
    assert killed == []


@pytest.mark.parametrize("content", [
    '{"pid": "x", "began": 1, "at": 5, "machine": "", "line": {}, "model": 3, "data": null}', "[]", "7", "null",
    '{"pid": 1e400, "began": 1, "at": 1e400, "machine": "", "line": "", "model": "", "data": ""}'])
def test_a_run_from_elsewhere_with_odd_files_is_listed_with_the_others(tmp_path, content):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / STARTED).write_text(content)
    (tmp_path / "odd" / "loss_log.txt").touch()
    (tmp_path / "odd" / "metrics.jsonl").write_text(
        '{"losses": {"G": "x"}, "total": "x", "epoch": [], "eta_s": null, "images_per_s": NaN}\n')
    (tmp_path / "odd" / "train_opt.json").write_text(
        '{"n_epochs": {"value": "x"}, "n_epochs_decay": {"value": null}, "model": {"value": 3}}')
    parts, _ = News(Trainings(tmp_path)).parts("odd")
    new = new_to({}, parts)
    assert [name for _, name in new["list"].choices] == ["odd"]
    assert new["losses"] == []


def test_the_time_left_is_that_of_its_minutes_where_they_are_fewer(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainings, "process", lambda *_: psutil.Process())
    record(tmp_path / "maps", "\n$ python train.py\n", pid=os.getpid(), at=time.time() - 60)
    (tmp_path / "maps" / ".lock_holder").write_text(f"process {os.getpid()}")
    (tmp_path / "maps" / "metrics.jsonl").write_text('{"epoch": 1, "losses": {}, "eta_s": 10000, "total": 8}\n')
    for minutes, low, high in ((0, 10000, 10000), (3, 100, 120)):
        (tmp_path / "maps" / "train_opt.json").write_text(json.dumps({"max_minutes": {"value": minutes}}))
        trainings = Trainings(tmp_path)
        standing = trainings.standing("maps")
        assert low <= standing.seconds_left <= high, minutes
    assert progress(standing).startswith("running, epoch 1, ") and progress(standing).endswith(" left")
    (tmp_path / "maps" / ".stopping").write_text(f"{os.getpid()} {began(os.getpid())}")
    assert progress(trainings.standing("maps")) == "stopping, epoch 1"


@pytest.mark.parametrize(("log", "state", "said"), [
    ("stopped by SIGINT; --continue_train goes on from here\nweights: x\npage: x", "stopped", ""),
    ("epoch 2/4:  50%|##  | 4/8 [00:01<00:01,  4.0 images/s]stopped by --max_minutes 2; --continue_train goes on from "
     "here\nweights: x", "stopped", ""),
    ("End of epoch 2 / 2\nweights: x\npage: x", "finished", ""),
    ("nothing is left to train: x has done 2 epochs", "finished", ""),
    ("note: x\nerror: no images in x.\nfound:\n  nothing", "died", "no images in x.\nfound:\n  nothing"),
    ("Traceback (most recent call last):\n  File\nRuntimeError: power cut", "died", "RuntimeError: power cut"),
    ("interrupted", "stopped", ""),
    ("Traceback (most recent call last):\n  File\nKeyboardInterrupt", "stopped", ""),  # while it was imported
    ("(epoch: 1, iters: 100) G: 1.0", "died", ""),
])
def test_the_log_tells_how_a_training_ended(tmp_path, log, state, said):
    record(tmp_path / "maps", f"\n$ python train.py\nerror: of the start before\n\n$ python train.py\n{log}\n")
    standing = Trainings(tmp_path).standing("maps")
    assert (standing.state, standing.said) == (state, said)


def test_the_bar_tells_how_far_it_is_before_the_first_losses(tmp_path):
    from studio.progress_bar import last_bar

    log = "  0%|    | 0/800 [00:00<?, ? images/s]\repoch 2/4:  40%|###  | 320/800 [00:50<01:11,  6.00 images/s]x"
    assert last_bar(log) == (2, 4, 320, 800, 6.0)
    assert last_bar(log).seconds_left == 80
    assert last_bar("epoch 1/4:   1%|#  | 8/800 [00:50<01:11,  2.00s/ images]").images_per_s == 0.5
    assert last_bar("  0%|    | 0/800 [00:00<?, ? images/s]") is None


@pytest.mark.parametrize(("left", "state"), [(0.0, "finished"), (9.0, "stopped")])
def test_a_training_that_was_started_elsewhere_is_listed(trained, left, state):
    folder = trained("--model pix2pix")
    row = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    (folder / "metrics.jsonl").write_text(json.dumps(row | {"eta_s": left}) + "\n")
    trainings = Trainings(folder.parent)
    assert trainings.names() == ["run"]
    standing = trainings.standing("run")
    assert (standing.state, standing.model, standing.epoch, standing.last_epoch) == (state, "pix2pix", 1, 1)


def test_a_later_training_from_a_terminal_is_not_the_one_of_the_app(trained):
    folder = trained("--model pix2pix")
    record(folder, "\n$ python train.py\nerror: of the app\n")
    standing = Trainings(folder.parent).standing("run")
    assert (standing.state, standing.said, standing.line) == ("finished", "", "")
