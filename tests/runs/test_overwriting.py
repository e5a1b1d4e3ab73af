"""A run is not gone before the one that replaces it has saved; a killed training leaves nothing behind."""
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import runs.training
import train as command
from helpers.commands import TINY
from helpers.trainings import exit_code, fingerprint, in_child, same
from runs.overwriting import KEPT, MOVING, forget, keep_until_saved, put_back, tidy
from runs.run_folder import LATEST, PREVIOUS
from runs.state_file import read_state
from util.files import temporary_beside

pytestmark = pytest.mark.slow

FOLDER = Path("checkpoints/run")
Line = Callable[[str], list[str]]


@pytest.fixture
def line(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.chdir(tmp_path)
    return lambda more: f"--dataroot {dataroot} --name run --model template {TINY} --print_freq 1 {more}".split()


@pytest.fixture
def finished(line: Line) -> dict[str, bytes]:
    """A finished run lies in the folder: its files by name."""
    command.main(line("--seed 5"))
    return contents(FOLDER)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def train_until_killed(words: list[str], place: str) -> None:
    """Train in another process until it calls `place`, a function of runs.training, which kills it."""
    def run() -> None:
        setattr(runs.training, place, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        command.main(words)
    assert exit_code(in_child(run)) == -signal.SIGKILL


@pytest.mark.parametrize("more, code", [
    ("--init_from nowhere", 2),
    ("--init_from dataset/trainA/1.png", 2),
    ("--init_from checkpoints/run --netG unet_128 --load_size 128 --crop_size 128 --norm none", 2),
    ("--epoch_count 9", 2),
    ("--compile --checkpoint_activations", 2),
    ("--use_wandb", 2),
    ("--model pix2pix --lambda_L1 1e39", 1),  # a loss is infinite
], ids=lambda value: str(value).split()[0])
def test_overwriting_that_fails_leaves_the_run_before(more, code, line, finished, failure, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    found, said = failure(command.main, line(f"--overwrite {more}"))
    assert found == code and "Traceback" not in said
    assert contents(FOLDER) == finished


def test_it_is_said_that_the_run_before_is_back(line, finished, capsys):
    with pytest.raises(SystemExit):
        command.main(line("--overwrite --init_from nowhere"))
    said = capsys.readouterr().out
    assert f"note: the new training had not saved a state yet; {FOLDER} holds the run before it again" in said


@pytest.mark.parametrize("source", ["checkpoints/run", "checkpoints/run/latest_net_G.pth"])
def test_a_run_overwritten_from_its_own_weights(source, line, finished, capsys):
    before = torch.load(FOLDER / "latest_net_G.pth", weights_only=True)
    command.main(line(f"--overwrite --init_from {source} --lr 0"))
    assert f"network G: from {FOLDER}/latest_net_G.pth: " in capsys.readouterr().out
    after = torch.load(FOLDER / "latest_net_G.pth", weights_only=True)
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not (FOLDER / KEPT).exists() and read_state(FOLDER / LATEST)["moment"]["total"] == 4


@pytest.mark.parametrize("place", ["init_from", "save_nets", "save_state"])
def test_killed_before_its_first_save_it_gives_way_to_the_run_before(place, line, finished, capsys):
    source = "--init_from checkpoints/run" if place == "init_from" else ""
    train_until_killed(line(f"--overwrite --seed 6 {source}"), place)
    assert not (FOLDER / LATEST).exists()
    command.main(line("--resume auto --seed 5"))
    assert "nothing is left to train: checkpoints/run has done 1 epochs" in capsys.readouterr().out
    assert contents(FOLDER) == finished


def test_killed_before_its_first_save_the_same_command_overwrites_again(line, finished):
    train_until_killed(line("--overwrite --init_from checkpoints/run --lr 0"), "save_state")
    command.main(line("--overwrite --init_from checkpoints/run --lr 0"))  # from the weights that were put aside
    one, other = (torch.load(path, weights_only=True) for path in (FOLDER / "latest_net_G.pth", FOLDER / "1_net_G.pth"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    command.main(line("--continue_train --n_epochs 2"))
    assert read_state(FOLDER / LATEST)["moment"]["total"] == 8


def test_until_the_new_run_has_saved_a_test_says_where_the_run_before_is(line, finished, translate, failure):
    train_until_killed(line("--overwrite"), "save_nets")
    code, said = failure(translate, "--model template")
    assert code == 2 and f"the run before is kept in {FOLDER / KEPT} until a new one has saved" in said


def test_restarted_by_torchrun_the_same_command_overwrites_again(line, finished, monkeypatch, capsys):
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    with pytest.raises(SystemExit):
        command.main(line("--overwrite --seed 6 --init_from nowhere"))
    assert f"note: the run before is kept in {FOLDER / KEPT}" in capsys.readouterr().out
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    command.main(line("--overwrite --seed 6"))  # does not take the run before for what it was restarted to go on with
    assert not (FOLDER / KEPT).exists()
    assert contents(FOLDER)["latest_net_G.pth"] != finished["latest_net_G.pth"]


def test_killed_inside_its_first_save_it_begins_anew(line, tmp_path):
    command.main([*line("--resume auto"), "--name", "whole"])
    train_until_killed(line("--resume auto --seed 7"), "save_state")
    assert (FOLDER / "latest_net_G.pth").exists() and not (FOLDER / LATEST).exists()
    command.main(line("--resume auto"))
    assert same(fingerprint(FOLDER), fingerprint(Path("checkpoints/whole")))
    assert not (FOLDER / KEPT).exists()


@contextmanager
def renames_until(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only so many files are renamed in this block, as if the process were killed then."""
    left = iter(range(number))

    def limited(rename: Callable) -> Callable:
        def act(*paths: Path) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            rename(*paths)
        return act
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", limited(Path.rename))
        patch.setattr(os, "replace", limited(os.replace))
        yield


@pytest.mark.parametrize("number", range(6))
def test_killed_while_files_are_put_aside_or_back_nothing_is_lost(number, tmp_path, monkeypatch):
    for name in (LATEST, PREVIOUS, "latest_net_G.pth", "loss_log.txt", "train_opt.json"):
        (tmp_path / name).write_text(f"old {name}")
    before = contents(tmp_path)
    with renames_until(number, monkeypatch):
        keep_until_saved(tmp_path)
    tidy(tmp_path, overwrite=False)
    assert contents(tmp_path) == before and not (tmp_path / MOVING).exists()
    keep_until_saved(tmp_path)
    assert contents(tmp_path).keys() == {f"{KEPT}/{name}" for name in before}
    (tmp_path / "loss_log.txt").write_text("new")
    with renames_until(number, monkeypatch):
        put_back(tmp_path)
    tidy(tmp_path, overwrite=False)
    assert contents(tmp_path) == before
    keep_until_saved(tmp_path)
    (tmp_path / LATEST).write_text("new")
    forget(tmp_path)
    assert contents(tmp_path) == {LATEST: b"new"}


def test_what_killed_processes_left_is_removed_at_the_next_start(line, finished):
    left = [temporary_beside(FOLDER / "x"), temporary_beside(FOLDER / "web" / "images" / "x")]
    kept = [FOLDER / ".mine.tmp", FOLDER / "notes.tmp"]
    for path in (*left, *kept):
        path.write_text("")
    command.main(line("--continue_train --seed 5"))
    assert [path.exists() for path in (*left, *kept)] == [False, False, True, True]
