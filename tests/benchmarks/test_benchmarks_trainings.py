"""The benchmarks that train with the commands run, and say what they promise; their times are not judged."""
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
import torch

from helpers.commands import ROOT, load_command

sys.path.extend(str(ROOT / folder) for folder in ("benchmarks", "datasets"))

import both_ways
import machine
import toy_maps


def call_here(script: str, *flags: str) -> str:
    """As both_ways.call, without the seconds that a new process takes to import torch."""
    with redirect_stdout(StringIO()) as said, redirect_stderr(StringIO()):
        (toy_maps if "toy_maps" in script else load_command(Path(script).stem)).main([*flags])
    return said.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("script, column, names", [
    ("both_ways --ways plain fp32", "way", {"plain", "fp32"}),
    ("deep_toy", "photos", {"8 bits, red green blue", "8 bits, two bands", "16 bits, two bands"}),
])
def test_trainings_are_compared(script: str, column: str, names: set[str], tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(both_ways, "call", call_here)
    monkeypatch.delitem(sys.modules, "deep_toy", raising=False)  # it takes call from both_ways
    name, *words = script.split()
    monkeypatch.setattr(sys, "argv", [name, "--quick", "--json", str(tmp_path / "out.json"), *words])
    import_module(name).main()
    numbers = json.loads((tmp_path / "out.json").read_text())
    assert {row[column] for row in numbers["rows"]} == names and numbers["machine"]["torch"]
    assert "| --" in capsys.readouterr().out
    for row in numbers["rows"]:
        seconds = row["seconds"] if isinstance(row["seconds"], list) else [row["seconds"]]
        assert all(number > 0 for number in seconds)


def test_contestants_on_a_cpu_differ_by_one_thing(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(both_ways, "has_bf16_units", lambda device: True)
    assert both_ways.contestants(cpu) == {
        "plain": "--plain --precision fp32", "autotune off": "--precision fp32 --autotune off",
        "fp32": "--precision fp32", "bf16": "--precision bf16"}
    monkeypatch.undo()
    for name, value in machine.FORCED["avx2"].items():  # what --isa avx2 leaves to the commands
        monkeypatch.setenv(name, value)
    assert list(both_ways.contestants(cpu)) == ["plain", "autotune off", "fp32"]


def test_contestants_on_a_gpu_differ_by_one_thing(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(both_ways, "has_bf16_units", lambda device: True)
    ways = both_ways.contestants(gpu)
    assert list(ways) == ["plain", "plain, fp32", "fp32", "tf32", "bf16", "bf16, recorded"]
    assert ways["plain"] == "--plain" and ways["bf16, recorded"] == "--precision bf16"
    assert all(flags == f"--precision {name} --cuda_graph off" for name, flags in ways.items() if len(name) == 4)
    monkeypatch.setattr(both_ways, "has_bf16_units", lambda device: False)
    assert list(both_ways.contestants(gpu)) == ["plain", "plain, fp32", "fp32", "fp32, recorded"]


def test_numbers_are_shown_as_mean_and_spread_over_seeds(capsys):
    took = {"plain": (3.0, 4.0, 8.0), "fp32": (1.0, 2.5, 1.0)}
    order: list[tuple[str, int]] = []

    def run(way: str, seed: int) -> dict[str, float]:
        order.append((way, seed))
        return {"seconds": took[way][seed], "error": 40.0}

    rows = both_ways.in_turns(["plain", "fp32"], 3, run)
    assert order == [("plain", 0), ("fp32", 0), ("fp32", 1), ("plain", 1), ("plain", 2), ("fp32", 2)]
    assert [row["way"] for row in rows] == ["plain", "fp32"]
    assert str(rows[0]["seconds"]) == "5 (3..8)" and str(rows[1]["seconds"]) == "1.5 (1..2.5)"
    assert json.loads(json.dumps(rows[1])) == {"way": "fp32", "seconds": [1.0, 2.5, 1.0], "error": [40.0] * 3}
    assert capsys.readouterr().out.splitlines()[2] == "fp32, seed 1: seconds 2.5, error 40"
    assert str(both_ways.Spread([0.1234])) == "0.123"


def test_trainings_have_equal_images(tmp_path: Path, monkeypatch):
    """Fewer images than there are: the first ones, once; more: whole epochs."""
    called: list[tuple[str, ...]] = []
    lines = [{"losses": {"G": number}} for number in (9.0, 9.0, 9.0, 2.0)]

    def call(script: str, *flags: str) -> str:
        called.append((script, *flags))
        if script == "evaluate.py":
            Path(flags[-1]).write_text('[{"direction": "A->B", "error": 7.0}]')
        elif script == "train.py":
            (tmp_path / flags[1]).mkdir()
            (tmp_path / flags[1] / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
        return ""

    monkeypatch.setattr(both_ways, "call", call)
    (tmp_path / "train").mkdir()
    for number in range(3):
        (tmp_path / "train" / f"{number}.png").touch()
    for images, count, epochs in ((2, "2", "1"), (7, "3", "3")):
        found = both_ways.measure(f"run {images}", ["--model", "pix2pix"], tmp_path, images, tmp_path)
        words = [line for line in called if line[0] == "train.py"][-1]
        assert words[words.index("--max_dataset_size") + 1] == count and words[words.index("--n_epochs") + 1] == epochs
        assert found["G"] == 2 and found["error A->B"] == 7
        assert found["images/s"] == int(count) * int(epochs) / found["seconds"]


@pytest.mark.usefixtures("forks")
def test_commands_are_called_and_what_they_refuse_is_told():
    assert both_ways.call("datasets/toy_maps.py", "--help").startswith("usage: toy_maps.py")
    with pytest.raises(SystemExit) as left:
        both_ways.call("train.py", "--crop_sizes", "3")
    assert str(left.value).startswith("train.py --crop_sizes 3\n") and "did you mean" in str(left.value)
