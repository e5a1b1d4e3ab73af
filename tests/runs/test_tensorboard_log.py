"""--use_tensorboard: its event files, read as TensorBoard reads them, say what metrics.jsonl says."""
import sys
from pathlib import Path

import numpy as np
import pytest

import train as command
from helpers.images import read_pixels
from helpers.trainings import fail_in, metrics, stop_after, validations
from runs.tensorboard_log import open_tensorboard

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

LINE = "--model template --use_tensorboard --val_freq 1 --val_metrics mae --val_samples 1 --display_freq 4"


def events(run: Path):
    """What TensorBoard shows of a run."""
    found = accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0, "scalars": 0})
    return found.Reload()


def scalars(found, name: str) -> dict[int, float]:
    points = found.Scalars(name)
    assert len({point.step for point in points}) == len(points)
    return {point.step: pytest.approx(point.value, rel=1e-6) for point in points}  # it keeps 32 bits


def agrees_with_the_log(run: Path) -> None:
    """Whether it shows what metrics.jsonl holds, no more and no less."""
    found, lines = events(run), metrics(run)
    ends = {line["epoch"]: line["total"] for line in lines}
    assert {line["total"]: line["losses"]["G"] for line in lines} == scalars(found, "loss/G")
    assert {line["total"]: line["lr"] for line in lines} == scalars(found, "lr")
    for name in ("L1", "mae"):
        measured = {ends[row["epoch"]]: row["validation"][name] for row in validations(run)}
        assert measured == scalars(found, f"validation/{name}") and len(measured) == 3


def test_it_shows_what_the_log_holds(line, tmp_path: Path):
    command.main([word for word in line("run", LINE) if word != "--no_html"])
    run = tmp_path / "checkpoints/run"
    agrees_with_the_log(run)
    found = events(run)
    assert sorted(found.Tags()["images"]) == [
        "images/fake_B", "images/real_A", "images/real_B", "images/sample 1: 1"]
    assert [image.step for image in found.Images("images/fake_B")] == [4, 8, 12]
    for epoch, image in enumerate(found.Images("images/sample 1: 1"), start=1):
        path = tmp_path / "picture.png"
        path.write_bytes(image.encoded_image_string)
        np.testing.assert_array_equal(
            read_pixels(path), read_pixels(run / f"web/images/val_0001_epoch{epoch:03d}_fake_B.png"))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stopped", "failed"])
def test_after_a_resume_it_goes_on_from_the_right_step(end: str, line, tmp_path: Path):
    if end == "stopped":
        with pytest.raises(SystemExit), stop_after(6):
            command.main(line("run", LINE))
    else:
        with pytest.raises(RuntimeError, match="power cut"), fail_in(8):  # 2 steps after the newest state
            command.main(line("run", LINE.replace("--use", "--save_latest_freq 5 --use")))
    command.main(line("run", "--continue_train"))
    agrees_with_the_log(tmp_path / "checkpoints/run")


def test_a_run_that_begins_anew_shows_nothing_of_the_old_one(line, tmp_path: Path):
    command.main(line("run", f"{LINE} --lr 0.01"))
    command.main(line("run", f"{LINE} --overwrite"))
    agrees_with_the_log(tmp_path / "checkpoints/run")


def test_without_the_package_it_says_what_to_type_before_data_are_read(train, failure, monkeypatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert open_tensorboard(False, tmp_path, 0) is None
    code, said = failure(train, "--model template --use_tensorboard --phase nothing")
    assert code == 2 and "`pip install .[tensorboard]`, or leave out --use_tensorboard" in said
