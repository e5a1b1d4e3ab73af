"""What a command imports before its first step: nothing heavy that this run does not use."""
import subprocess
import sys

import pytest

from helpers.commands import ROOT, TINY

HEAVY = ("kornia", "torchvision", "visdom", "wandb", "requests")


def imported(*lines: str) -> list[set[str]]:
    """Which of HEAVY, and of torch's compiler, are in memory when each of these commands has ended, in one process."""
    names = {*HEAVY, "torch._dynamo"}
    code = (f"import runpy, sys\nfor line in {lines!r}:\n    sys.argv = line.split()\n"
            f"    runpy.run_path({str(ROOT)!r} + '/' + sys.argv[0], run_name='__main__')\n"
            f"    print('imported:', *sorted({names!r} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, check=True)
    return [set(said.split()[1:]) for said in done.stdout.splitlines() if said.startswith("imported:")]


@pytest.mark.slow
def test_neither_command_imports_what_it_does_not_use(dataroot, trained):
    trained("--model cycle_gan")
    line = f"--dataroot {dataroot} --model cycle_gan"
    translating, training = imported(f"test.py {line} --name run --num_threads 0 --gpu_ids -1",
                                     f"train.py {line} --name new {TINY} --max_dataset_size 1")
    assert translating == set()
    assert training <= {"torch._dynamo"}  # that is Adam's import


def test_help_may_be_read_in_part():
    done = subprocess.run(f"{sys.executable} train.py --model cycle_gan --help | head -c 10", shell=True, cwd=ROOT,
                          capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: tra") and done.stderr == ""
