"""The benchmark of the data side runs and tells of every contestant."""
import json
import runpy
import sys
from pathlib import Path

import pytest

from helpers.commands import ROOT
from helpers.forked import forked

pytestmark = pytest.mark.slow

ROOMS = ("benchmarks", "data", "engine", "metrics", "models", "networks", "options", "pages", "raster", "runs",
         "shards", "util")


@pytest.mark.parametrize("mode", ["single", "unaligned"])
def test_the_table_has_every_contestant(tmp_path: Path, mode: str):
    words = f"--quick --dataset_mode {mode} --json numbers/loader.json".split()
    code, said = forked(ROOT / "benchmarks/loader.py", words, tmp_path)
    assert code == 0, said
    numbers = json.loads((tmp_path / "numbers/loader.json").read_text())
    names = ["classic", "plain", "fast decode", "cache ram", "cache disk", "cache device"]
    assert [(row["contestant"], row["num_threads"]) for row in numbers["rows"]] == [
        (name, threads) for threads in (0, 1) for name in names]
    assert all(row["images/s"] > 0 and row["times classic"] > 0 for row in numbers["rows"])
    assert [row["times classic"] for row in numbers["rows"] if row["contestant"] == "classic"] == [1, 1]
    table = [line.split("|")[1].strip() for line in said.splitlines() if line.startswith("|")]
    assert table == ["contestant", "-" * 12, *names, *names]
    assert [path.name for path in tmp_path.iterdir()] == ["numbers"]


@pytest.mark.usefixtures("forks")
def test_two_checkouts_run_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    main = runpy.run_path(str(ROOT / "benchmarks/loader.py"))["main"]
    for name, module in list(sys.modules.items()):  # forked processes import their checkout's, and libraries no more
        if Path(getattr(module, "__file__", None) or "/").parent in (ROOT, *(ROOT / room for room in ROOMS)):
            monkeypatch.delitem(sys.modules, name)
    other = tmp_path / "other"
    for room in ROOMS[1:]:
        (other / room).parent.mkdir(exist_ok=True)
        (other / room).symlink_to(ROOT / room)
    ran = tmp_path / "ran"
    (other / "train.py").write_text(f"{(ROOT / 'train.py').read_text()}\nopen({str(ran)!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    main(f"--quick --contestants plain --against {other} --json loader.json".split())
    rows = json.loads((tmp_path / "loader.json").read_text())["rows"]
    assert [(row["checkout"], row["num_threads"]) for row in rows] == [("this", 0), ("other", 0)]
    assert rows[0]["times other"] > 0 and rows[1]["times other"] == 1
    assert ran.exists()


def test_shards_run_against_the_folder(tmp_path: Path):
    code, said = forked(ROOT / "benchmarks/from_shards.py", "--quick --json shards.json".split(), tmp_path)
    assert code == 0, said
    numbers = json.loads((tmp_path / "shards.json").read_text())
    assert numbers["title"].startswith("Loading 6 JPEGs of 40x40") and numbers["title"].endswith("2 shards")
    assert [(row["files"], row["state"]) for row in numbers["rows"]] == [
        (files, state) for state in ("cold", "warm") for files in ("folder", "shards")]
    assert all(row["images/s"] > 0 and row["times folder"] > 0 for row in numbers["rows"])
