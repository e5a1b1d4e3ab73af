"""Memory that was freed stays with the process."""
import subprocess
import sys
from pathlib import Path

import pytest

from engine.host_memory import keep_freed_memory
from helpers.commands import ROOT, load_command
from helpers.images import write_pairs

FAULTS = """
import resource, sys
from engine.host_memory import keep_freed_memory
if sys.argv[1] == "kept":
    print(keep_freed_memory())
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(2):  # glibc gives back what is free at the end of the heap, from 64 MB on
        [b"x" * (20 << 20) for _ in range(10)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_freed_memory_is_not_faulted_in_again():
    said = {how: subprocess.run([sys.executable, "-c", FAULTS, how], cwd=ROOT, capture_output=True, text=True,
                                check=True).stdout.split() for how in ("kept", "given_back")}
    assert said["kept"][0] == "True"
    assert int(said["kept"][1]) < 100
    assert int(said["given_back"][0]) > 2 * 100 * 256 // 2  # of 200 MB at least 100, in pages of 4 kB


def test_a_library_without_it_is_left_alone():
    assert not keep_freed_memory(library=object())


@pytest.mark.parametrize(("flags", "expected"), [("--autotune auto", 1), ("--autotune off", 0), ("--plain", 0)])
def test_training_keeps_it_unless_told_otherwise(flags: str, expected: int, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []
    monkeypatch.setattr("engine.host_memory.keep_freed_memory", lambda: calls.append(1))
    monkeypatch.setattr("runs.warm_start.with_commit", lambda options, begins_anew: 1 / 0)
    write_pairs(tmp_path / "train", 1)
    with pytest.raises(ZeroDivisionError):
        load_command("train").main(f"--dataroot {tmp_path} --model pix2pix --gpu_ids -1 {flags}".split())
    assert len(calls) == expected
