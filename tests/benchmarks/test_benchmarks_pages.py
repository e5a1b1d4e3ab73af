"""The benchmarks of inference and pages run, and write what they measured."""
import json
import shutil
import subprocess
import sys

import pytest

from helpers.commands import ROOT
from helpers.forked import forked

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name, column, contestants", [
    ("infer", "contestant", ["plain", "batch 1", "batch 8"]),
    ("save_pages", "what", ["pictures, one by one", "pictures, in threads", "html", "page: pictures in threads, html"]),
])
def test_a_quick_run_reports_all_contestants(name, column, contestants, tmp_path):
    code, said = forked(ROOT / "benchmarks" / f"{name}.py", ["--quick", "--json", tmp_path / "out.json"], tmp_path)
    assert code == 0, said
    written = json.loads((tmp_path / "out.json").read_text())
    found = [row[column] for row in written["rows"]]
    assert found[:len(contestants)] == contestants  # more follow where there are units for bf16
    assert all(row["seconds"] > 0 and row["times faster"] > 0 for row in written["rows"])
    assert list(tmp_path.iterdir()) == [tmp_path / "out.json"]


@pytest.mark.skipif(not shutil.which("chromedriver"), reason="NOT TESTED in a browser: chromedriver is not installed")
@pytest.mark.usefixtures("forks")
def test_a_page_of_results_is_browsed(tmp_path):
    pytest.importorskip("selenium")
    command = [sys.executable, ROOT / "benchmarks" / "browse_results.py", "--quick", "--json", tmp_path / "out.json"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert {"first paint", "sort by a metric", "slider", "zoom"} < {row["what"] for row in rows}
    assert all(row["ms"] > 0 for row in rows)
