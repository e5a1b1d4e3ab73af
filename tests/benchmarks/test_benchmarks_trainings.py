"""The benchmarks that train with the commands run, and say what they promise; their times are not judged."""
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

import pytest

from helpers.commands import ROOT, load_command

sys.path.extend(str(ROOT / folder) for folder in ("benchmarks", "datasets"))

import both_ways
import toy_maps

pytestmark = pytest.mark.slow


def call_here(script: str, *flags: str) -> None:
    """As both_ways.call, without the seconds that a new process takes to import torch."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        (toy_maps if "toy_maps" in script else load_command(Path(script).stem)).main([*flags])


@pytest.mark.parametrize("script, column, names", [
    ("both_ways", "way", {"plain", "fast"}),
    ("deep_toy", "photos", {"8 bits, red green blue", "8 bits, two bands", "16 bits, two bands"}),
])
def test_trainings_are_compared(script: str, column: str, names: set[str], tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(both_ways, "call", call_here)
    monkeypatch.delitem(sys.modules, "deep_toy", raising=False)  # it takes call from both_ways
    monkeypatch.setattr(sys, "argv", [script, "--quick", "--json", str(tmp_path / "out.json")])
    import_module(script).main()
    numbers = json.loads((tmp_path / "out.json").read_text())
    assert {row[column] for row in numbers["rows"]} == names and numbers["machine"]["torch"]
    assert all(row["seconds"] > 0 for row in numbers["rows"]) and "| --" in capsys.readouterr().out


@pytest.mark.usefixtures("forks")
def test_commands_are_called_and_what_they_refuse_is_told():
    assert both_ways.call("datasets/toy_maps.py", "--help").startswith("usage: toy_maps.py")
    with pytest.raises(SystemExit) as left:
        both_ways.call("train.py", "--crop_sizes", "3")
    assert str(left.value).startswith("train.py --crop_sizes 3\n") and "did you mean" in str(left.value)
