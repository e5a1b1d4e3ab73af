"""The benchmarks of training run, and say what they promise; their times are not judged."""
import json
from pathlib import Path

import pytest

from helpers.commands import ROOT
from helpers.forked import forked

pytestmark = pytest.mark.slow

EXPECTED = {
    "step": ("variant", {"plain", "fp32"}),
    "scaling": ("axis", {"crop_size"}),
    "exchange": ("exchange", {"no exchange", "DistributedDataParallel"}),
    "save_memory": ("what", {"steps", "steps and saves", "going on, steps"}),
    "many_files": ("start", {"first", "again, 1", "again, 2"}),
}


@pytest.mark.parametrize("script", EXPECTED)
def test_a_benchmark_runs_quickly_and_writes_its_numbers(script: str, tmp_path: Path):
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
