"""State files are checked, rotate, and run no code."""
from pathlib import Path

import pytest
import torch

import train as command
from runs.state_file import LATEST, PREVIOUS, DamagedState, load_state, read_state, save_state


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
    with pytest.raises(DamagedState, match="is no state of a training .*code in it is not run"):
        read_state(tmp_path / LATEST)


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
