"""Going on exactly: a training that was stopped ends with the bits it would have had."""
import json
import re
from pathlib import Path

import pytest
import torch

import models
import train as command
from helpers.commands import OFFLINE
from helpers.trainings import (
    equal,
    exit_code,
    fail_in,
    fingerprint,
    in_child,
    kill_in,
    metrics,
    same,
    stop_after,
    weights,
)
from runs.state_file import LATEST, PREVIOUS, read_state

MODELS = [name if name == "template" else pytest.param(name, marks=pytest.mark.slow)
          for name in models.names() if name != "test"]  # a new model is enrolled by existing
ABLATIONS = ("pix2pix --lambda_gan 0", "pix2pix --lambda_L1 0 --unconditional_D", "pix2pix --distance L2",
             "cycle_gan --lambda_gan 0 --lambda_identity 0", "cycle_gan --lambda_A 0 --lambda_B 0 --lambda_identity 0")


@pytest.mark.parametrize("model", MODELS + [pytest.param(line, marks=pytest.mark.slow) for line in ABLATIONS])
def test_stopped_in_the_middle_and_resumed_is_bit_identical(model: str, line, tmp_path: Path):
    options = f"--model {model} {OFFLINE.get(model, '')} --num_threads 2 --pool_size 3 --no_dropout false"
    command.main(line("whole", options))
    with pytest.raises(SystemExit), stop_after(5):
        command.main(line("parts", options))
    state = read_state(tmp_path / "checkpoints/parts" / LATEST)
    assert state["moment"]["total"] == 5  # in the middle of the second epoch
    command.main(line("parts", f"{options} --continue_train"))
    assert same(fingerprint(tmp_path / "checkpoints/whole"), fingerprint(tmp_path / "checkpoints/parts"))


def test_nothing_left_to_train_is_success(line, capsys: pytest.CaptureFixture):
    command.main(line("run", "--model template"))
    capsys.readouterr()
    command.main(line("run", "--model template --continue_train"))
    assert ("nothing is left to train: checkpoints/run has done 3 epochs; with a larger --n_epochs or "
            "--n_epochs_decay it goes on") in capsys.readouterr().out


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
    ("--continue_train --epoch_count 2",
     "--epoch_count 2 does not agree with checkpoints/run, which goes on in epoch 4"),
])
def test_what_a_folder_with_a_run_refuses(more: str, said: str, line, tmp_path: Path, failure):
    command.main(line("run", "--model template"))
    before = (tmp_path / "checkpoints/run" / LATEST).read_bytes()
    code, found = failure(command.main, line("run", f"--model template --n_epochs 5 {more}"))
    assert code == 2 and re.search(said, found)
    assert (tmp_path / "checkpoints/run" / LATEST).read_bytes() == before


@pytest.mark.slow
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
    assert ("holds weights and no state: "
            "going on from the weights, with new optimizers, in epoch 3 (--epoch_count)") in said
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


@pytest.mark.slow
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


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_nan(policy: str, line, tmp_path: Path, failure, capsys: pytest.CaptureFixture):
    options = f"--model pix2pix --lambda_L1 1e39 --on_nan {policy}"
    if policy == "stop":
        code, said = failure(command.main, line("run", options))
        assert code == 1
        assert "the loss G_L1 is inf in epoch 1 after 1 images, with " in said and "--on_nan skip" in said
    else:
        command.main(line("run", options))
        assert "the update is left out, 12 so far" in capsys.readouterr().out
    weights = torch.load(tmp_path / "checkpoints/run/latest_net_G.pth", weights_only=True) if policy == "skip" else {}
    assert all(value.isfinite().all() for value in weights.values())


def test_init_from_loads_what_fits_and_says_what_does_not(line, tmp_path: Path, capsys: pytest.CaptureFixture):
    command.main(line("first", "--model cycle_gan"))
    capsys.readouterr()
    options = "--model cycle_gan --input_nc 1 --lambda_identity 0"
    command.main(line("gray", f"{options} --init_from checkpoints/first --lr 0"))
    out = capsys.readouterr().out
    assert "network G_A: from checkpoints/first/latest_net_G_A.pth" in out
    assert "1 skipped (model.1.weight), 1 left at their initial value (model.1.weight); the file is of --netG" in out
    first, gray = (torch.load(tmp_path / f"checkpoints/{name}/latest_net_G_A.pth", weights_only=True)
                   for name in ("first", "gray"))
    assert [key for key in first if first[key].shape != gray[key].shape or not torch.equal(first[key], gray[key])] == [
        "model.1.weight"]


def test_a_last_step_that_is_left_out_ends_the_training_too(line, tmp_path: Path, capsys: pytest.CaptureFixture):
    options = "--model pix2pix --lambda_L1 1e39 --on_nan skip --n_epochs 1 --n_epochs_decay 0 --no_html false"
    command.main(line("run", options))
    printed = capsys.readouterr()
    assert "the update is left out, 4 so far" in printed.out and "4/4" in printed.err  # the bar
    assert "Training has finished." in (tmp_path / "checkpoints/run/web/index.html").read_text()


def test_steps_left_out_are_counted_on(line, capsys: pytest.CaptureFixture):
    options = "--model pix2pix --lambda_L1 1e39 --on_nan skip --n_epochs_decay 0"
    command.main(line("run", f"{options} --n_epochs 1"))
    assert "the update is left out, 4 so far" in capsys.readouterr().out
    command.main(line("run", f"{options} --n_epochs 2 --continue_train"))
    assert "the update is left out, 5 so far" in capsys.readouterr().out


def test_logs_and_page_are_those_of_a_training_that_was_not_stopped(line, tmp_path: Path):
    """What was logged after the newest state, before the training died, is logged once."""
    def words(name: str, more: str = "") -> list[str]:
        options = "--model template --save_latest_freq 3 --update_html_freq 2 --no_html false"
        return line(name, f"{options} {more}")
    command.main(words("whole"))
    with pytest.raises(RuntimeError, match="power cut"), fail_in(6):
        command.main(words("parts"))
    whole, parts = (tmp_path / "checkpoints" / name for name in ("whole", "parts"))
    assert len(metrics(parts)) == 5 and read_state(parts / LATEST)["moment"]["total"] == 3
    command.main(words("parts", "--continue_train"))
    assert same(fingerprint(whole), fingerprint(parts))
    pages = [json.loads((folder / "web/page.json").read_text()) for folder in (whole, parts)]
    assert pages[0]["rows"] == pages[1]["rows"] and len(pages[0]["rows"]) == 3
    curves = [dict(map(tuple, page["curves"]["G"]["points"])) for page in pages]  # epoch -> loss
    assert curves[0] == curves[1] and len(curves[0]) == 12


def test_the_page_knows_all_that_the_state_knows_also_after_a_kill(line, tmp_path: Path):
    options = "--model template --save_latest_freq 2 --no_html false"

    def killed() -> None:
        with kill_in(4):
            command.main(line("run", options))

    assert exit_code(in_child(killed)) == 9
    command.main(line("run", f"{options} --continue_train"))
    page = json.loads((tmp_path / "checkpoints/run/web/page.json").read_text())
    assert len(page["curves"]["G"]["points"]) == 12  # of each step: also of the two that only the state had seen


@pytest.mark.slow
def test_init_from_gives_each_network_its_own_weights(line, tmp_path: Path):
    command.main(line("first", "--model cycle_gan"))
    command.main(line("next", "--model cycle_gan --init_from checkpoints/first --lr 0 --seed 1"))
    for name in ("G_A", "G_B", "D_A", "D_B"):
        first, begun = (weights(tmp_path / f"checkpoints/{run}/latest_net_{name}.pth") for run in ("first", "next"))
        assert equal(first, begun), name


@pytest.mark.parametrize("how", ["--resume auto --overwrite", "--continue_train"])
def test_a_start_that_is_refused_leaves_the_options_of_the_run(how: str, line, tmp_path: Path, failure):
    command.main(line("run", "--model template"))
    saved = (tmp_path / "checkpoints/run/train_opt.json").read_text()
    code, said = failure(command.main, line("run", f"--model template --ngf 7 {how} --n_epochs 9"))
    assert code == 2 and "--ngf: 4 in the run, 7 here" in said
    assert (tmp_path / "checkpoints/run/train_opt.json").read_text() == saved
