"""A disk that is full, a folder that cannot be written: said, and what was good stays good."""
import resource
import sys

import pytest
import torch

import train as command
from helpers.commands import TINY
from helpers.trainings import exit_code, in_child
from runs.state_file import LATEST, PREVIOUS, read_state, save_state


@pytest.fixture
def quota() -> int:
    """A largest size of files, in bytes, that weights of the tiny networks do not fit in; logs do."""
    return 20_000


def limited(line: list[str], quota: int) -> None:
    """Train where no file may grow beyond the quota: the write fails as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (quota, resource.RLIM_INFINITY))
    command.main(line)


@pytest.mark.parametrize("model", ["template", "cycle_gan"])
def test_a_full_disk_ends_the_training_and_keeps_the_last_good_state(model, train, dataroot, quota):
    folder = train(f"--model {model}")
    before = {path.name: path.read_bytes() for path in folder.glob("*.pth")}
    line = f"--dataroot {dataroot} --name run --model {model} --continue_train --n_epochs 2"
    words = f"{TINY} {line} --no_html --save_latest_freq 1".split()
    assert exit_code(in_child(lambda: limited(words, quota))) == 1
    assert {path.name: path.read_bytes() for path in folder.glob("*.pth")} == before
    assert not list(folder.glob(".*.tmp"))
    command.main(words)  # with room again it goes on
    assert read_state(folder / LATEST)["moment"]["total"] == 8


def test_the_reason_is_said(train, dataroot, quota, tmp_path):
    log = tmp_path / "said"

    def run():
        with open(log, "w", buffering=1) as sys.stderr:
            limited(f"--dataroot {dataroot} --name full --model template --no_html {TINY}".split(), quota)
    assert exit_code(in_child(run)) == 1
    assert "error: [Errno 27] File too large: 'checkpoints/full/1_net_G.pth'\n" in log.read_text()
    assert "nothing had been saved in checkpoints/full yet: make room and start again" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_that_the_last_state_is_kept_is_said(train, dataroot, quota, tmp_path):
    train("--model template")
    line = f"--dataroot {dataroot} --name run --model template --no_html {TINY} --continue_train --n_epochs 2"
    log = tmp_path / "said"

    def run():
        with open(log, "w", buffering=1) as sys.stderr:
            limited(line.split(), quota)
    assert exit_code(in_child(run)) == 1
    assert log.read_text().endswith("the last good state in checkpoints/run is kept: make room, then --continue_train "
                                    "goes on from it\n")


def test_pictures_that_cannot_be_written_do_not_end_the_training(train, tmp_path, capsys):
    web = tmp_path / "checkpoints" / "run" / "web"
    web.mkdir(parents=True)
    (web / "images").write_text("a file where the folder should be")
    folder = train("--model template")
    assert "warning: the training page could not be written" in capsys.readouterr().out
    assert torch.load(folder / "latest_net_G.pth", weights_only=True)


def test_a_folder_that_cannot_be_written(dataroot, failure):
    line = f"--dataroot {dataroot} --model template --checkpoints_dir /proc/no --name x"
    code, said = failure(command.main, line.split())
    assert code == 1 and "error: [Errno" in said and "/proc/no" in said


def test_a_state_that_cannot_be_written_leaves_both_states(train, quota, tmp_path):
    folder = train("--model template --save_latest_freq 1")
    before = [read_state(folder / name)["moment"] for name in (LATEST, PREVIOUS)]
    def overfull():
        resource.setrlimit(resource.RLIMIT_FSIZE, (quota, resource.RLIM_INFINITY))
        save_state(folder, {"tensor": torch.zeros(quota)})
    assert exit_code(in_child(overfull)) != 0
    assert [read_state(folder / name)["moment"] for name in (LATEST, PREVIOUS)] == before
