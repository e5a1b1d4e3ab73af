"""Going on exactly: killed anywhere, a training ends with the bits it would have had."""
import json
import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import models
import train as command
from helpers.commands import TINY
from helpers.trainings import exit_code, fingerprint, in_child, same
from runs.state_file import LATEST, PREVIOUS, DamagedState, load_state, read_state, save_state

MODELS = [name for name in models.names() if name != "test"]  # a new model is enrolled by existing
LONG = "--n_epochs 2 --n_epochs_decay 1 --print_freq 1 --save_latest_freq 1 --no_html"


@pytest.fixture
def line(tmp_path: Path, dataroot: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], list[str]]:
    monkeypatch.chdir(tmp_path)

    def words(name: str, more: str) -> list[str]:
        return f"--dataroot {dataroot} {TINY} {LONG} --name {name} {more}".split()
    return words


@pytest.mark.parametrize("model", MODELS)
def test_stopped_in_the_middle_and_resumed_is_bit_identical(model: str, line, tmp_path: Path):
    options = f"--model {model} --num_threads 2 --pool_size 3 --no_dropout false"
    command.main(line("whole", options))
    monkey = stop_after(5)
    with pytest.raises(SystemExit), monkey:
        command.main(line("parts", options))
    state = read_state(tmp_path / "checkpoints/parts" / LATEST)
    assert state["moment"]["total"] == 5  # in the middle of the second epoch
    command.main(line("parts", f"{options} --continue_train"))
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/parts"))


def stop_after(steps: int) -> pytest.MonkeyPatch.context:
    """Sends SIGTERM to this process during a step."""
    from contextlib import contextmanager

    from engine.engine import Engine

    @contextmanager
    def patched():
        original, done = Engine.step, []

        def step(self, batch):
            done.append(1)
            if len(done) == steps:
                os.kill(os.getpid(), signal.SIGTERM)
            return original(self, batch)
        Engine.step = step
        try:
            yield
        finally:
            Engine.step = original
    return patched()


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


def test_nothing_left_to_train_is_success(line, capsys: pytest.CaptureFixture):
    command.main(line("run", "--model template"))
    capsys.readouterr()
    command.main(line("run", "--model template --continue_train"))
    assert "nothing is left to train: checkpoints/run has done 3 epochs" in capsys.readouterr().out


def test_more_epochs_go_on_after_the_last(line, tmp_path: Path, capsys: pytest.CaptureFixture):
    command.main(line("run", "--model template"))
    command.main(line("run", "--model template --continue_train --n_epochs 3"))
    out = capsys.readouterr().out
    assert "note: --n_epochs was 2, is now 3" in out
    totals = [json.loads(row)["total"] for row in (tmp_path / "checkpoints/run/metrics.jsonl").read_text().splitlines()]
    assert totals == list(range(1, 17))


@pytest.mark.parametrize("more, said", [
    ("", "already holds a run"),
    ("--ngf 8", r"--ngf: 4 there, 8 here"),
    ("--continue_train --ngf 8", r"--ngf: 4 in the run, 8 here"),
    ("--continue_train --netG unet_128", r"--netG: resnet_6blocks in the run, unet_128 here"),
    ("--continue_train --epoch_count 2", "--epoch_count 2 does not agree with checkpoints/run, which goes on in epoch 4"),
])
def test_what_a_folder_with_a_run_refuses(more: str, said: str, line, tmp_path: Path, failure):
    command.main(line("run", "--model template"))
    before = (tmp_path / "checkpoints/run" / LATEST).read_bytes()
    code, found = failure(command.main, line("run", f"--model template --n_epochs 5 {more}"))
    assert code == 2 and re.search(said, found)
    assert (tmp_path / "checkpoints/run" / LATEST).read_bytes() == before


def test_overwrite_begins_anew(line, tmp_path: Path):
    command.main(line("run", "--model template"))
    first = fingerprint(tmp_path / "checkpoints/run")
    command.main(line("run", "--model template --overwrite"))
    assert same(first, fingerprint(tmp_path / "checkpoints/run"))


def test_resume_auto_starts_when_there_is_nothing_and_continue_train_says_so(line, tmp_path: Path, failure):
    code, said = failure(command.main, line("nothing", "--model template --continue_train"))
    assert code == 2 and "holds neither a state nor weights to go on from" in said
    command.main(line("run", "--model template --resume auto"))
    assert (tmp_path / "checkpoints/run/3_net_G.pth").exists()


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("how", ["--continue_train", "--resume auto"])
def test_weights_alone_are_gone_on_from_with_new_optimizers(how: str, classic: bool, line, tmp_path: Path, capsys):
    folder = tmp_path / "checkpoints/run"
    command.main(line("run", "--model template"))
    for name in (LATEST, PREVIOUS, *(("train_opt.json", "train_opt.txt") if classic else ())):
        (folder / name).unlink()
    before = torch.load(folder / "latest_net_G.pth", weights_only=True)
    command.main(line("run", f"--model template --epoch_count 3 --lr 0 {how}"))
    said = capsys.readouterr().out
    assert "holds weights and no state: going on from the weights, with new optimizers, in epoch 3 (--epoch_count)" in said
    after = torch.load(folder / "latest_net_G.pth", weights_only=True)
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_the_latest_epoch_is_gone_on_with_exactly(line, tmp_path: Path):
    command.main(line("whole", "--model template"))
    with pytest.raises(SystemExit), stop_after(5):
        command.main(line("run", "--model template"))
    command.main(line("run", "--model template --continue_train --epoch latest"))
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/run"))


def test_a_certain_epoch_is_gone_on_from_with_new_optimizers(line, tmp_path: Path, capsys: pytest.CaptureFixture):
    command.main(line("run", "--model template --save_epoch_freq 1"))
    before = torch.load(tmp_path / "checkpoints/run/1_net_G.pth", weights_only=True)
    command.main(line("run", "--model template --continue_train --epoch 1 --epoch_count 2 --lr 0"))
    assert "note: going on from the weights in checkpoints/run, with new optimizers" in capsys.readouterr().out
    after = torch.load(tmp_path / "checkpoints/run/latest_net_G.pth", weights_only=True)
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def test_a_dataset_that_has_changed_begins_its_epoch_anew(line, tmp_path: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit), stop_after(6):
        command.main(line("run", "--model template"))
    command.main(line("run", "--model template --continue_train --max_dataset_size 3"))
    assert "note: an epoch has 3 images now and had 4: epoch 2 begins anew" in capsys.readouterr().out
    rows = [json.loads(row) for row in (tmp_path / "checkpoints/run/metrics.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["images"]) for row in rows[6:]] == [(2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)]


def test_a_damaged_state_falls_back_to_the_one_before(line, tmp_path: Path, capsys: pytest.CaptureFixture):
    command.main(line("whole", "--model cycle_gan"))
    with pytest.raises(SystemExit), stop_after(5):
        command.main(line("run", "--model cycle_gan"))
    newest = tmp_path / "checkpoints/run" / LATEST
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    command.main(line("run", "--model cycle_gan --continue_train"))
    assert f"warning: checkpoints/run/{LATEST} is damaged" in capsys.readouterr().out
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/run"))


@pytest.mark.parametrize("change, said", [
    (lambda state: state.pop("engine"), "is no state of a training: engine is missing or something else"),
    (lambda state: state.update(moment=[1]), "is no state of a training: moment is missing or something else"),
    (lambda state: state["moment"].pop("epoch"), "is no state of a training: moment is missing or something else"),
    (lambda state: state["logs"].clear(), "is no state of a training: logs is missing or something else"),
    (lambda state: state["engine"].pop("nets"), "is no state of a training: engine is missing or something else"),
    (lambda state: state["engine"]["nets"]["G"].clear(), "does not fit this training (RuntimeError: "),
    (lambda state: state["engine"]["optimizers"].clear(), "does not fit this training (ValueError: "),
], ids=range(7))
def test_a_whole_state_with_other_content_is_refused(change, said, line, tmp_path: Path, failure):
    command.main(line("run", "--model template"))
    folder = tmp_path / "checkpoints/run"
    state = read_state(folder / LATEST)
    change(state)
    for _ in (LATEST, PREVIOUS):
        save_state(folder, state)
    before = (folder / LATEST).read_bytes()
    code, found = failure(command.main, line("run", "--model template --continue_train --n_epochs 9"))
    assert code == 2 and said in found and "--init_from checkpoints/run" in found and "Traceback" not in found
    assert (folder / LATEST).read_bytes() == before


def test_state_files_are_checked_and_rotate(tmp_path: Path):
    assert load_state(tmp_path) is None
    for number in (1, 2, 3):
        save_state(tmp_path, {"number": number, "tensor": torch.arange(number)})
    assert [read_state(tmp_path / name)["number"] for name in (LATEST, PREVIOUS)] == [3, 2]
    assert torch.load(tmp_path / LATEST, weights_only=True)["number"] == 3  # still a file like any other
    for name in (LATEST, PREVIOUS):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-100])
    with pytest.raises(DamagedState, match="no good state is left"):
        load_state(tmp_path)


def test_a_state_file_with_code_in_it_is_refused_and_not_run(tmp_path: Path):
    save_state(tmp_path, {"path": tmp_path / "x"})  # a Path is an object, which only code could make
    with pytest.raises(DamagedState, match=r"is no state of a training .*code in it is not run"):
        read_state(tmp_path / LATEST)


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
        Engine.step = lambda self, batch: (time.sleep(60 if count("iters:") == 3 else 0), step(self, batch))[1]
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
    assert 'http-equiv="refresh"' not in page.read_text()
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


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_nan(policy: str, line, tmp_path: Path, failure, capsys: pytest.CaptureFixture):
    options = f"--model pix2pix --lambda_L1 1e39 --on_nan {policy}"
    if policy == "stop":
        code, said = failure(command.main, line("run", options))
        assert code == 1
        assert "the loss G_L1 is inf in epoch 1 after 1 images, with " in said and "--on_nan skip" in said
    else:
        command.main(line("run", options))
        assert "step left out, 12 so far" in capsys.readouterr().out
    weights = torch.load(tmp_path / "checkpoints/run/latest_net_G.pth", weights_only=True) if policy == "skip" else {}
    assert all(value.isfinite().all() for value in weights.values())


def test_init_from_loads_what_fits_and_says_what_does_not(line, tmp_path: Path, capsys: pytest.CaptureFixture):
    command.main(line("first", "--model cycle_gan"))
    capsys.readouterr()
    command.main(line("gray", "--model cycle_gan --input_nc 1 --lambda_identity 0 --init_from checkpoints/first --lr 0"))
    out = capsys.readouterr().out
    assert "network G_A: from checkpoints/first/latest_net_G_A.pth" in out
    assert "1 skipped (model.1.weight), 1 left at their initial value (model.1.weight)" in out
    first, gray = (torch.load(tmp_path / f"checkpoints/{name}/latest_net_G_A.pth", weights_only=True)
                   for name in ("first", "gray"))
    assert [key for key in first if first[key].shape != gray[key].shape or not torch.equal(first[key], gray[key])] == [
        "model.1.weight"]
