"""Several processes train as one would, end together, and go on after one of them has died."""
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch

from helpers import distributed_steps
from helpers.commands import ROOT, load_command
from helpers.forked import Ended, forked_ranks
from helpers.images import read_pixels, write_pairs
from helpers.several import ended, ranks, started, torchrun, train_line, wait_for
from helpers.trainings import fingerprint, same
from options.command_line import parse
from options.schema import OptionError
from runs.state_file import LATEST, read_state
from train import COMMAND, make_engine

pytestmark = pytest.mark.slow

TWO = "--standalone --nproc_per_node 2"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("several")
    write_pairs(root / "train", 5)
    write_pairs(root / "test", 5)
    return root


def trained_together(dataset: Path, name: str, more: str = "") -> list[Ended]:
    """What each of two processes said of a training that came to its end."""
    script, *words = train_line(dataset, name, more)
    ends = forked_ranks(2, Path(script), words, dataset)
    assert [code for code, _ in ends] == [0, 0], ends
    return ends


@pytest.fixture(scope="module")
def whole(dataset: Path) -> Path:
    """The folder of a training in two processes that nobody stopped."""
    ends = trained_together(dataset, "whole")
    (dataset / "whole.txt").write_text("".join(out for _, out in ends))
    return dataset / "checkpoints/whole"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What two processes made in tests/helpers/distributed_steps.py."""
    folder = tmp_path_factory.mktemp("steps")
    ends = forked_ranks(2, ROOT / "tests/helpers/distributed_steps.py", [folder / "steps.pth"], folder)
    assert [code for code, _ in ends] == [0, 0] and not any("Warning" in out for _, out in ends), ends
    return torch.load(folder / "steps.pth")


def test_two_processes_learn_what_one_does(both: dict):
    for name, variance in distributed_steps.in_16_bits().items():  # of one process with the whole batch
        assert torch.allclose(variance, both["half"][name], rtol=0.02, atol=0.005), name
    for case in distributed_steps.CASES:
        alone, two = distributed_steps.steps(case), both["results"][case]
        for one, other in zip(alone["losses"], two["losses"], strict=True):
            assert one.keys() == other.keys()
            assert all(torch.allclose(one[name], other[name], rtol=0, atol=1e-9) for name in one), (case, one, other)
        assert two["means"] == pytest.approx(alone["means"], rel=0, abs=1e-9)
        for weights in both["weights"]:
            far = {name: (value - weights[case][name]).abs().max().item() for name, value in alone["weights"].items()}
            assert max(far.values()) < 1e-9, (case, far)
        assert alone["validation"].keys() == two["validation"].keys()
        assert all(abs(value - two["validation"][name]) < 1e-9 for name, value in alone["validation"].items())
        assert two["uneven"].keys() == alone["uneven"].keys() != set()
        assert alone["measured"]["values"] == pytest.approx(two["measured"]["values"], abs=1e-5)
        assert alone["measured"]["samples"] == {  # rounded to 8 bits
            name: pytest.approx(shown, abs=0.01) for name, shown in two["measured"]["samples"].items()}
        assert len(alone["measured"]["samples"]) == (6 if "cycle_gan" in case else 3)  # in each direction
        assert two["drawn"][0] != two["drawn"][1]  # dropout is each one's own
        assert two["nan"] == ([alone["nan"][0]] * 2 if "syncbatch" in case else ["", alone["nan"][0]])  # it spreads NaN


def test_the_first_process_races_for_all(both: dict):
    (first, asked), (second, of_second) = both["chosen"]
    assert asked > 0 == of_second
    assert first == second == dict.fromkeys(("G_A", "G_B", "D_A", "D_B"), "contiguous")


@pytest.mark.parametrize("kind, far", [("bf16", 2e-3), ("powersgd", 4e-3)])
def test_gradients_travel_compressed(both: dict, kind: str, far: float):
    exact = both["compressed"][0]["none"]["whole"]
    for own in both["compressed"]:
        made = own[kind]
        apart = max((value - exact[name]).abs().max().item() for name, value in made["whole"].items())
        assert 0 < apart < far  # Adam moves each weight by up to 2e-4 a step
        for how in ("refused", "gone on"):  # an update with NaN leaves no trace, and the state holds what is remembered
            assert all(torch.equal(value, made[how][name]) for name, value in made["whole"].items()), how
        assert (made["kept"] > 0) == (kind == "powersgd")


def test_one_process_writes_and_prints(whole: Path, dataset: Path):
    out = (dataset / "whole.txt").read_text()
    assert out.count("batch: 2 images (2 processes x 1)") == out.count("device: cpu") == 1
    assert out.count("weights: checkpoints/whole") == 1
    rows = [json.loads(row) for row in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [2, 4, 5] * 5
    assert "module." not in str(list(torch.load(whole / "latest_net_G.pth")))
    assert not any(path.suffix == ".tmp" for path in whole.iterdir())
    state = read_state(whole / LATEST)
    assert len(state["ranks"]) == 2


def test_killed_started_anew_stopped_and_gone_on_with(whole: Path, dataset: Path):
    folder = dataset / "checkpoints/parts"
    with started(torchrun(f"{TWO} --max_restarts 1", *train_line(dataset, "parts")), dataset) as process:
        wait_for(folder, 4, process)
        os.kill(ranks(process.pid)[0], signal.SIGKILL)
        wait_for(folder, 8, process)
        process.send_signal(signal.SIGTERM)
        code, out = ended(process)
    assert code != 0
    assert out.count("error: the connection to another process is lost") == 1, out  # from the one that was not killed
    assert 'train.py", line' not in out  # no traceback of ours
    assert out.count("going on with checkpoints/parts in epoch") == 1, out
    assert out.count("stopped by SIGTERM; --continue_train goes on from here") == 1, out
    assert 10 <= read_state(folder / LATEST)["moment"]["total"] < 25

    trained_together(dataset, "parts", "--continue_train")
    assert same(fingerprint(whole), fingerprint(folder))


def test_two_processes_translate_what_one_does(whole: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch):
    line = (f"--dataroot {dataset} --name whole --model pix2pix --eval --num_threads 0 --gpu_ids -1 --num_test 5 "
            "--format tiff --results_dir").split()
    monkeypatch.chdir(dataset)
    load_command("test").main([*line, "alone"])
    load_command("test").main([*line, "together", "--direction", "BtoA"])  # results of other inputs
    ends = forked_ranks(2, ROOT / "test.py", [*line, "together", "--overwrite"], dataset)
    assert [code for code, _ in ends] == [0, 0], ends
    assert "".join(out for _, out in ends).count("page: together/whole/test_latest/index.html") == 1, ends
    alone, both = (dataset / name / "whole/test_latest" for name in ("alone", "together"))
    files = sorted(path.relative_to(alone) for path in alone.rglob("*.png"))
    assert len(files) == 15 and files == sorted(path.relative_to(both) for path in both.rglob("*.png"))
    assert all((read_pixels(alone / file) == read_pixels(both / file)).all() for file in files)
    shown = [json.loads((folder / "names.json").read_text()) for folder in (alone, both)]
    assert all(shown[0][key] == shown[1][key] for key in shown[0] if key != "facts")  # there: when, and --results_dir
    assert {own["file"] for row in shown[1]["values"].values() for own in row.values()} == {
        path.relative_to(both / "values").as_posix() for path in (both / "values").rglob("*.tif*")} != set()
    rows = [re.findall("<h2>.*?</h2>|src=.*?png", (folder / "index.html").read_text()) for folder in (alone, both)]
    assert len(rows[0]) == 20 and rows[0] == rows[1]


def test_two_processes_keep_the_results_of_other_inputs(whole: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch):
    line = f"--dataroot {dataset} --name whole --num_threads 0 --gpu_ids -1 --num_test 2 --results_dir kept".split()
    monkeypatch.chdir(dataset)
    load_command("test").main(line)
    folder = dataset / "kept/whole/test_latest"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ends = forked_ranks(2, ROOT / "test.py", [*line, "--direction", "BtoA"], dataset)
    refusal = "holds the results of --direction AtoB (now BtoA). --overwrite replaces them"
    assert 0 not in [code for code, _ in ends] and "".join(out for _, out in ends).count(refusal) == 1, ends
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_another_number_of_processes_goes_on_with_a_notice(whole: Path, dataset: Path, monkeypatch, capsys):
    monkeypatch.chdir(dataset)
    shutil.copytree(whole, whole.with_name("one"))
    load_command("train").main([str(word) for word in train_line(dataset, "one", "--continue_train --n_epochs 6")[1:]])
    out = capsys.readouterr().out
    assert "note: this training ran in 2 processes and goes on in 1: it learns on from here" in out
    assert read_state(whole.with_name("one") / LATEST)["moment"]["total"] == 30


@pytest.mark.usefixtures("forks")
def test_the_clock_stops_all_and_torchrun_starts_none_anew(dataset: Path):
    line = train_line(dataset, "clock", "--n_epochs 1000 --max_minutes 0.01 --grad_compress bf16")
    with started(torchrun(f"{TWO} --max_restarts 1", *line), dataset) as process:
        code, out = ended(process)
    assert code == 0, out
    assert out.count("stopped by --max_minutes 0.01; --continue_train goes on from here") == 1, out
    assert (dataset / "checkpoints/clock/latest_state.pth").is_file()


def test_remembered_gradients_and_changing_scales_exclude_each_other():
    opt = parse(COMMAND, "--dataroot x --grad_compress powersgd --precision fp16 --ngf 2 --ndf 2".split())
    with pytest.raises(OptionError, match="--precision fp16 scales them otherwise"):
        make_engine(opt, torch.device("cpu"))
