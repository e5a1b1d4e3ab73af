"""The best epoch: which one is kept, when nothing gets better any more, and what --lr_policy plateau makes of it."""
import json
import re
from pathlib import Path

import pytest
import torch

import metrics
import train as command
from engine.schedule import plateau
from helpers.images import write_image
from helpers.trainings import equal, stop_after, validations, weights
from metrics.base_metric import Metric
from runs.followed import Followed
from runs.state_file import LATEST, read_state

SAME = "--model template --no_dropout true --lr 0 --print_freq 4"  # nothing is learned: the first epoch stays best


class LikenessMetric(Metric):
    """Higher is better."""

    better = "higher"
    about = source = ""

    def statistics(self, pictures):
        return 1 / (pictures["fake"] - pictures["real"]).abs().mean((1, 2, 3))


@pytest.fixture
def likeness(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--val_metrics likeness` is a metric of which more is better."""
    find = metrics.find
    monkeypatch.setattr(metrics, "find", lambda name, *flag: LikenessMetric if name == "likeness" else find(name, *flag)
                        )


@pytest.mark.parametrize("name, best", [("likeness", max), ("mae", min)])
def test_the_epoch_with_the_best_value_is_kept(name: str, best, likeness, train, translate, tmp_path: Path, capsys):
    run = train(f"--model template --n_epochs 4 --save_epoch_freq 1 --lr 0.05 --val_freq 1 --val_metrics {name} "
                f"--best_metric {name}")
    values = [row["validation"][name] for row in validations(run)]
    epoch = values.index(best(values)) + 1
    assert json.loads((run / "best.json").read_text()) == {"epoch": epoch, "metric": name, "value": best(values)}
    assert equal(weights(run / "best_net_G.pth"), weights(run / f"{epoch}_net_G.pth"))
    assert not equal(weights(run / "best_net_G.pth"), weights(run / f"{epoch % 4 + 1}_net_G.pth"))
    page = json.loads((run / "web/page.json").read_text())
    assert page["best"][name][0] == epoch

    end = f"best {name}: {best(values):.4f}, of epoch {epoch}; test.py --epoch best translates with it\n"
    assert capsys.readouterr().out.count(end) == 1
    translate("--epoch best")
    said = f"best (epoch {epoch}, {name} {best(values):.4f} when it was validated, as with --eval)"
    assert f"epoch: {said}" in capsys.readouterr().out
    assert said in (tmp_path / "results/run/test_best/index.html").read_text()


def test_every_network_of_the_best_epoch_is_kept(train):
    run = train("--model pix2pix --val_freq 1 --best_metric ema_L1 --ema 0.9")
    assert sorted(path.name for path in run.glob("best_net_*")) == [
        "best_net_D.pth", "best_net_G.pth", "best_net_G_ema.pth"]


def test_without_a_best_metric_no_epoch_is_kept(train, capsys):
    run = train("--model template --val_freq 1")
    assert not list(run.glob("best*")) and "--epoch best" not in capsys.readouterr().out


def test_going_on_remembers_which_epoch_was_best(line, tmp_path: Path):
    command.main(line("run", f"{SAME} --val_freq 1 --best_metric L1"))
    first = weights(tmp_path / "checkpoints/run/best_net_G.pth")
    command.main(line("run", "--continue_train --n_epochs 4 --lr 0.5"))  # which makes it worse
    assert json.loads((tmp_path / "checkpoints/run/best.json").read_text())["epoch"] == 1
    assert equal(weights(tmp_path / "checkpoints/run/best_net_G.pth"), first)
    followed = read_state(tmp_path / "checkpoints/run" / LATEST)["followed"]
    assert (followed["metric"], followed["epoch"], followed["without"]) == ("L1", 1, 4)


def test_another_best_metric_begins_anew_and_says_so(line, tmp_path: Path, capsys):
    command.main(line("run", f"{SAME} --val_freq 1 --best_metric L1"))
    command.main(line("run", "--continue_train --n_epochs 4 --val_metrics mae --best_metric mae"))
    assert "note: this training followed L1 and follows mae from now on" in capsys.readouterr().out
    best = json.loads((tmp_path / "checkpoints/run/best.json").read_text())
    assert (best["metric"], best["epoch"]) == ("mae", 4)


def test_values_of_other_images_are_not_compared(line, dataroot: Path, tmp_path: Path, capsys):
    run = tmp_path / "checkpoints/run"
    command.main(line("run", f"{SAME} --val_freq 1 --best_metric L1 --early_stop 5"))
    write_image(dataroot / "val/9.png", 64, 32, seed=9)
    command.main(line("run", "--continue_train --n_epochs 4"))
    assert ("note: L1 was measured on 4 images of --val_phase val and is measured on 5 images of --val_phase val from "
            "now on: its best epoch is counted anew") in capsys.readouterr().out
    assert json.loads((run / "best.json").read_text())["epoch"] == 4
    state = read_state(run / LATEST)
    assert state["followed"]["without"] == 1 and len(state["val_losses"]) == 5  # and the rate of plateau stays


def test_a_best_epoch_that_was_not_kept_is_counted_anew(line, tmp_path: Path, capsys):
    run = tmp_path / "checkpoints/run"
    command.main(line("run", f"{SAME} --val_freq 1 --early_stop 9"))
    command.main(line("run", "--continue_train --n_epochs 4 --best_metric L1"))
    assert "note: the best epoch by L1 was not kept until now and is counted anew" in capsys.readouterr().out
    assert json.loads((run / "best.json").read_text())["epoch"] == 4
    assert len(read_state(run / LATEST)["val_losses"]) == 5  # what plateau goes by is not forgotten
    assert equal(weights(run / "best_net_G.pth"), weights(run / "5_net_G.pth"))


# Early stop

@pytest.mark.slow
def test_a_training_that_gets_no_better_ends(line, tmp_path: Path, capsys):
    run = tmp_path / "checkpoints/run"
    options = f"{SAME} --n_epochs 9 --val_freq 1 --early_stop 2"
    command.main([word for word in line("run", options) if word != "--no_html"])  # and leaves with exit code 0
    assert [row["epoch"] for row in validations(run)] == [1, 2, 3]
    why = r"ended early: --early_stop 2: 2 validations without a better one; best L1: 0\.\d{4}, of epoch 1"
    assert re.search(why, capsys.readouterr().out) and re.search(why, (run / "loss_log.txt").read_text())
    assert re.search(f"Training {why}\\.", (run / "web/index.html").read_text())
    assert equal(weights(run / "3_net_G.pth"), weights(run / "latest_net_G.pth"))  # the last epoch is kept as ever

    command.main(line("run", "--continue_train --n_epochs 9"))
    said = capsys.readouterr().out
    assert re.search(f"nothing is left to train: checkpoints/run {why}", said) and "with --early_stop 0" in said
    command.main(line("run", "--continue_train --n_epochs 9 --early_stop 3"))
    assert [row["epoch"] for row in validations(run)] == [1, 2, 3, 4]
    command.main(line("run", "--continue_train --early_stop 0 --n_epochs 6 --n_epochs_decay 0"))
    assert [row["epoch"] for row in validations(run)] == [1, 2, 3, 4, 5, 6]


def test_a_stop_in_between_does_not_delay_the_end(line, tmp_path: Path):
    options = f"{SAME} --n_epochs 9 --val_freq 1 --early_stop 2"
    with pytest.raises(SystemExit), stop_after(10):
        command.main(line("run", options))
    command.main(line("run", "--continue_train"))
    assert [row["epoch"] for row in validations(tmp_path / "checkpoints/run")] == [1, 2, 3]


def test_better_epochs_go_on():
    followed = Followed()
    for epoch, value in enumerate([5, 4, 4.5, 3, 3.5, 3.2], start=1):
        followed.add(epoch, {"L1": value, "other": 0})
    assert (followed.metric, followed.epoch, followed.value, followed.without) == ("L1", 4, 3, 2)
    assert not followed.exhausted(3) and followed.exhausted(2) and not followed.exhausted(0)


def test_a_value_that_is_no_number_is_never_best():
    followed = Followed("psnr", higher=True)
    assert [followed.add(epoch, {"psnr": value}) for epoch, value in enumerate([float("nan"), 20.0, float("nan")])
            ] == [False, True, False]
    assert followed.value == 20


def test_an_early_stop_without_any_number_says_so():
    followed = Followed("psnr", higher=True)
    followed.add(1, {"psnr": float("nan")})
    assert followed.exhausted(1).endswith("1 validation without a better one; no value of psnr was a number")


# --lr_policy plateau

def test_plateau_follows_the_best_metric_in_its_own_direction(likeness, line, tmp_path: Path):
    command.main(line("run", "--model template --lr_policy plateau --val_metrics likeness --best_metric likeness"))
    logged = [row["validation"]["likeness"] for row in validations(tmp_path / "checkpoints/run")]
    values = read_state(tmp_path / "checkpoints/run" / LATEST)["val_losses"]
    assert values == [-value for value in logged] and len(values) == 3 and min(logged) > 0


def test_plateau_knows_values_below_zero():
    rising = [-20 * 1.02 ** epoch for epoch in range(10)]
    assert plateau(rising) == 1
    assert plateau([-20.0] + [-19.9] * 6) == pytest.approx(0.2)  # worse, though within the threshold
    assert plateau([-20.0] + [-20.1] * 6) == pytest.approx(0.2)  # better, but by less than a hundredth
    assert plateau([20.0] + [19.9] * 6) == pytest.approx(0.2)


def test_the_best_is_written_for_a_run_that_is_overwritten(line, tmp_path: Path):
    command.main(line("run", f"{SAME} --val_freq 1 --best_metric L1"))
    command.main(line("run", f"{SAME} --overwrite"))
    assert not list((tmp_path / "checkpoints/run").glob("best*"))
    assert torch.load(tmp_path / "checkpoints/run/latest_net_G.pth", weights_only=True)
