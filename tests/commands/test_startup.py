"""What a command imports before its first step: nothing heavy that this run does not use."""
import subprocess
import sys

import pytest

from helpers.commands import ROOT, TINY

HEAVY = ("kornia", "torchvision", "visdom", "wandb", "requests")


def imported(command: str, line: str) -> set[str]:
    """Which of HEAVY, and of torch's compiler, are in memory when the command has ended."""
    names = (*HEAVY, "torch._dynamo")
    code = (f"import runpy, sys; sys.argv = {[command, *line.split()]!r}\n"
            f"runpy.run_path({str(ROOT / command)!r}, run_name='__main__')\n"
            f"print('imported:', *sorted({set(names)!r} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].removeprefix("imported:").split())


@pytest.mark.slow
def test_neither_command_imports_what_it_does_not_use(dataroot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = f"--dataroot {dataroot} --name run --model cycle_gan"
    assert imported("train.py", f"{line} {TINY} --max_dataset_size 1") <= {"torch._dynamo"}  # that is Adam's import
    assert imported("test.py", f"{line} --num_threads 0 --gpu_ids -1") == set()


def test_help_may_be_read_in_part():
    done = subprocess.run(f"{sys.executable} train.py --model cycle_gan --help | head -c 10", shell=True, cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: tra") and done.stderr == ""
