"""Kill a training at random moments, resume, and compare it with one that nobody killed.

    python benchmarks/crash_test.py --kills 200

Trains a tiny CycleGAN that saves after every step, so that most kills (SIGKILL) hit a save. Expect 0 damaged states
and 0 differing bytes: the weights are compared bit by bit, the logs without their times.
"""
import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tiny networks only wait for a second thread
ROOT = Path(__file__).parents[1]

import torch
from common import machine  # first: it finds the project

import train
from runs.state_file import LATEST, PREVIOUS, DamagedState, read_state

LINE = ("--model cycle_gan --netG resnet_6blocks --ngf 4 --ndf 4 --load_size 36 --crop_size 32 --pool_size 3 "
        "--num_threads 0 --no_dropout false --display_id 0 --gpu_ids -1 --print_freq 1 --save_latest_freq 1 "
        "--resume auto")


def main() -> None:
    """Print the machine, kills survived, states damaged and bytes differing; exit code 1 unless the last two are 0."""
    parser = argparse.ArgumentParser("crash_test.py", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="how often to kill (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([sys.executable, ROOT / "datasets/toy_maps.py", "--size", "36", "--n_train", "20",
                        "--n_test", "2", "--out", "toy"], check=True, stdout=subprocess.DEVNULL)
        steps = 10 * (args.kills // 6 + 3)  # an epoch has 10 steps; a kill comes every few of them
        line = f"--dataroot toy {LINE} --n_epochs {steps // 10} --n_epochs_decay 0"
        wait(start(f"{line} --name whole"))
        kills, damaged = kill_until_done(f"{line} --name killed", args.kills, random.Random(args.seed))
        differing = compare(Path("checkpoints/whole"), Path("checkpoints/killed"))
    print(", ".join(machine(torch.device("cpu")).values()))
    print(f"kills survived: {kills}\nstates found damaged: {damaged}\nbytes differing: {differing}")
    sys.exit(1 if damaged or differing else 0)


def start(line: str) -> int:
    """Train in a forked process, quietly; torch is imported already. Returns its process id."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        code = 0
        try:
            train.main(line.split())
        except SystemExit as left:
            code = int(left.code or 0)
        except BaseException:
            code = 99
        os._exit(code)
    return child


def wait(child: int) -> int:
    """The exit code of a child, negative when a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_until_done(line: str, kills: int, rng: random.Random) -> tuple[int, int]:
    """Kill `kills` trainings, each going on where the last one was killed; then let it finish. (kills, damaged states).
    """
    done = damaged = 0
    while done < kills:
        child = start(line)
        time.sleep(rng.uniform(0.02, 0.9))
        os.kill(child, signal.SIGKILL)
        if wait(child) == 0:
            break  # it had finished
        done += 1
        damaged += count_damaged(Path("checkpoints/killed"))
    if wait(start(line)) != 0:
        sys.exit("the killed training could not be finished")
    return done, damaged


def count_damaged(folder: Path) -> int:
    """How many of the state files that are there are damaged."""
    damaged = 0
    for path in (folder / LATEST, folder / PREVIOUS):
        try:
            if path.exists():
                read_state(path)
        except DamagedState:
            damaged += 1
    return damaged


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """Its bytes."""
    return tensor.reshape(-1).view(torch.uint8)


def compare(one: Path, other: Path) -> int:
    """Bytes that differ in the latest weights and in the logs without their times."""
    differing = 0
    for path in sorted(one.glob("latest_net_*.pth")):
        a, b = torch.load(path, weights_only=True), torch.load(other / path.name, weights_only=True)
        differing += sum(int((bits(a[key]) != bits(b[key])).sum()) for key in a)
    for name in ("loss_log.txt", "metrics.jsonl"):
        a, b = (without_times((folder / name).read_text()) for folder in (one, other))
        differing += abs(len(a) - len(b)) + sum(x != y for x, y in zip(a, b, strict=False))
    return differing


def without_times(log: str) -> str:
    """A log without the seconds in it and without its date."""
    if log.startswith("{"):
        rows = [json.loads(row) for row in log.splitlines()]
        times = ("time", "data", "images_per_s", "eta_s")
        return "\n".join(json.dumps({key: value for key, value in row.items() if key not in times}) for row in rows)
    return re.sub(r"time: [\d.]+, data: [\d.]+|\(\w+ \w+ .*\)", "", log)


if __name__ == "__main__":
    main()
