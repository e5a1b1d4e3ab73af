"""The benchmarks of training run, and say what they promise; their times are not judged."""
import json
import multiprocessing
from pathlib import Path

import pytest
import torch

from helpers.commands import ROOT
from helpers.forked import forked

pytestmark = pytest.mark.slow

EXPECTED = {
    "step": ("variant", {"plain", "+ merged passes", "+ fast layers", "+ layout", "fp32"}),
    "scaling": ("axis", {"crop_size"}),
    "exchange": ("exchange", {"no exchange", "DistributedDataParallel"}),
    "save_memory": ("what", {"steps", "steps and saves", "going on, steps"}),
    "many_files": ("start", {"first", "again, 1", "again, 2"}),
}


@pytest.mark.parametrize("script", EXPECTED)
def test_a_benchmark_runs_quickly_and_writes_its_numbers(script: str, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch):
    forking = multiprocessing.get_context("fork")
    monkeypatch.setattr(multiprocessing, "get_context", lambda method=None: forking)  # who is spawned imports torch
    out = tmp_path / "numbers.json"
    code, said = forked(ROOT / f"benchmarks/{script}.py", ["--quick", "--json", out], tmp_path)
    assert code == 0, said[-2000:]
    numbers = json.loads(out.read_text())
    column, names = EXPECTED[script]
    assert names <= {row[column] for row in numbers["rows"]} and numbers["machine"]["torch"]
    assert "| --" in said
    if script == "scaling":
        assert "exchange(N)" in said
        assert [row["images"] for row in json.loads((tmp_path / "numbers_images.json").read_text())["rows"]] == [20, 40]


SHOWN = f"""
import sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
from common import machine, parser
import torch
parser("", 1).parse_args()
print(machine(torch.device("cpu"))["instructions"], "|", *machine(torch.device("cpu")).values(), sep=", ")
"""


@pytest.mark.skipif(not torch.backends.cpu.get_cpu_capability().startswith("AVX"), reason="this CPU has no AVX2")
def test_other_instructions_are_forced_and_shown(tmp_path: Path):
    script = tmp_path / "shown.py"
    script.write_text(SHOWN)
    code, said = forked(script, [], tmp_path)
    assert code == 0 and said.startswith(f"torch {torch.backends.cpu.get_cpu_capability()}, oneDNN "), said
    assert f"torch {torch.__version__}" in said and "cores busy with others" in said
    code, said = forked(script, ["--isa", "avx2"], tmp_path)
    assert code == 0 and said.startswith("torch AVX2, oneDNN jit:avx2, |, "), said
