"""Stopping a training by signal, by the clock or by killing it: nothing is lost, and its folder and page say so."""
import os
import random
import signal
import time
from pathlib import Path

import pytest

import train as command
from helpers.trainings import exit_code, fingerprint, in_child, same, stop_after
from runs.state_file import LATEST, read_state

pytestmark = pytest.mark.slow


def test_killed_at_random_moments_also_inside_a_save(line, tmp_path: Path):
    assert exit_code(in_child(lambda: command.main(line("whole", "--model cycle_gan --pool_size 3")))) == 0
    rng, kills = random.Random(1), 0
    while True:
        child = in_child(lambda: command.main(line("killed", "--model cycle_gan --pool_size 3 --resume auto")))
        time.sleep(rng.uniform(0.05, 0.7))
        os.kill(child, signal.SIGKILL)
        if exit_code(child) == 0:
            break
        kills += 1
        if kills >= 6:
            assert exit_code(in_child(lambda: command.main(
                line("killed", "--model cycle_gan --pool_size 3 --resume auto")))) == 0
            break
    assert kills > 0
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/killed"))


def test_a_step_without_time_stops_with_code_75_and_goes_on(line, tmp_path: Path):
    command.main(line("whole", "--model template"))
    with pytest.raises(SystemExit) as left:
        command.main(line("run", "--model template --max_minutes 0.00001"))
    assert left.value.code == 75
    command.main(line("run", "--model template --continue_train"))
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/run"))


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_finish_the_step_and_save(number: signal.Signals, code: int, line, tmp_path: Path):
    child = in_child(lambda: command.main(line("run", "--model cycle_gan --n_epochs 200")))
    log = tmp_path / "checkpoints/run/loss_log.txt"
    while not log.exists() or log.read_text().count("iters:") < 2:
        time.sleep(0.01)
    os.kill(child, number)
    assert exit_code(child) == code
    state = read_state(tmp_path / "checkpoints/run" / LATEST)
    assert state["moment"]["total"] == log.read_text().count("iters:")


def test_a_second_signal_stops_at_once_and_harms_nothing(line, tmp_path: Path):
    def slow():
        from engine.engine import Engine
        step = Engine.step

        def slow_step(self, *batches, **clock):
            time.sleep(60 if count("iters:") == 3 else 0)
            return step(self, *batches, **clock)
        Engine.step = slow_step
        command.main(line("run", "--model template --n_epochs 200"))

    def count(word: str) -> int:
        log = tmp_path / "checkpoints/run/loss_log.txt"
        return log.read_text().count(word) if log.exists() else 0
    child = in_child(slow)
    while count("iters:") < 3:
        time.sleep(0.01)
    time.sleep(1)  # it is in the long step now
    os.kill(child, signal.SIGTERM)
    time.sleep(0.5)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)  # the first one waits for the step, which takes a minute
    os.kill(child, signal.SIGTERM)
    assert exit_code(child) == 143
    assert read_state(tmp_path / "checkpoints/run" / LATEST)["moment"]["total"] == 3


def test_the_page_says_whether_a_training_ended(line, tmp_path: Path):
    words = [word for word in line("run", "--model template") if word != "--no_html"]
    page = tmp_path / "checkpoints/run/web/index.html"
    with pytest.raises(SystemExit), stop_after(6):
        command.main(words)
    assert "Training was stopped before its end; --continue_train goes on." in page.read_text()
    assert 'data-reload' not in page.read_text()
    command.main([*words, "--continue_train"])
    assert "Training has finished." in page.read_text()


def test_two_trainings_in_one_folder(line, tmp_path: Path, failure):
    child = in_child(lambda: command.main(line("run", "--model cycle_gan --n_epochs 200")))
    holder = tmp_path / "checkpoints/run/.lock_holder"
    while not holder.exists() or not holder.read_text():
        time.sleep(0.01)
    code, said = failure(command.main, line("run", "--model cycle_gan --resume auto"))
    assert code == 2 and f"another training is at work in checkpoints/run (process {child})" in said
    os.kill(child, signal.SIGKILL)
    exit_code(child)
    command.main(line("run", "--model cycle_gan --resume auto"))  # a dead process holds nothing
    assert (tmp_path / "checkpoints/run/latest_net_G_A.pth").exists()
