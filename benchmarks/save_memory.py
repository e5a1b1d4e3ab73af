"""Memory and time of saving and of going on, beside those of the step: python benchmarks/save_memory.py

Each contestant trains some steps on random images in a process of its own: without a save, with two saves, and going on
from the state that the second one left. Peaks are those of the whole process. "seconds" are those of the second save or
of loading; "disk" those of writing files of the same sizes beside them, flushed. TMPDIR chooses the disk.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import torch
from common import machine, parser, report, seconds  # first: it finds the project

from engine.schedule import Schedule
from options.command_line import parse
from options.groups import TrainCommandOptions
from options.schema import width_and_height
from runs.going_on import find_start
from runs.progress import Progress
from runs.recorder import open_recorder
from runs.training import Training
from train import COMMAND, make_engine

WORK = {
    "pix2pix, unet_256, 256": "--model pix2pix --netG unet_256 --crop_size 256",
    "CycleGAN, resnet_9blocks, 128": "--model cycle_gan --netG resnet_9blocks --crop_size 128",
}
QUICK = {"CycleGAN, tiny": "--model cycle_gan --netG resnet_6blocks --ngf 4 --ndf 4 --crop_size 32"}
USUAL = "--dataroot none --load_size 1024 --gpu_ids -1 --no_html --display_id 0 --name run"
CONTESTANTS = ("steps", "steps and saves", "going on, steps")
CPU = torch.device("cpu")


def main() -> None:
    """Prints the peak of each contestant, how many times that of the steps alone it is, and what the disk needs."""
    flags = parser(__doc__.splitlines()[0], rounds=3)
    flags.add_argument("--steps", type=int, default=4, help="how many to take")
    flags.add_argument("--precision", default="fp32", help="as of train.py")
    flags.add_argument("--child", nargs=2, metavar=("CONTESTANT", "LINE"), help=argparse.SUPPRESS)
    args = flags.parse_args()
    if args.child:
        name, line = args.child
        print(json.dumps(contest(name, line, args.steps)))
        return
    torch.set_num_threads(1)
    rows = []
    for work, line in (QUICK if args.quick else WORK).items():
        with tempfile.TemporaryDirectory() as folder:
            words = f"{USUAL} {line} --precision {args.precision} --checkpoints_dir {folder}"
            rounds = [[in_child(name, words, args.steps) for name in CONTESTANTS]
                      for _ in range(1 if args.quick else args.rounds)]
        for name, found in zip(CONTESTANTS, zip(*rounds, strict=True), strict=True):
            numbers = {column: median(one[column] for one in found) for column in found[0]}
            rows.append({"work": work, "what": name, "peak MB": numbers["peak"],
                         "x steps": median(one["peak"] / of[0]["peak"] for one, of in zip(found, rounds, strict=True)),
                         "MB": numbers["size"], "seconds": numbers["seconds"], "disk": numbers["disk"]})
    report(f"Saving and going on, {args.precision}", machine(CPU), rows, args.json)


def in_child(contestant: str, line: str, steps: int) -> dict[str, float]:
    """The numbers of one contestant, in a new process with one thread."""
    done = subprocess.run([sys.executable, __file__, "--steps", str(steps), "--child", contestant, line], check=True,
                          stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    numbers: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def contest(contestant: str, line: str, steps: int) -> dict[str, float]:
    """What a contestant needed: peak of the process and size of its files in MB, seconds it and the disk took."""
    options = parse(COMMAND, line.split() + (["--continue_train"] if "going on" in contestant else []))
    opt = options.view(TrainCommandOptions)
    folder, spent, disk = Path(opt.checkpoints_dir, opt.name), 0.0, 0.0
    folder.mkdir(parents=True, exist_ok=True)
    engine = make_engine(options, CPU)
    schedule = Schedule(opt.lr, opt.lr_policy, opt.n_epochs, opt.n_epochs_decay, opt.lr_decay_iters)
    training = Training(engine, folder, options, schedule, epoch_length=1000)
    if "going on" in contestant:
        spent = seconds(lambda: training.begin(find_start(folder, options)))
    width, height = width_and_height(opt.crop_size)
    batch = {side: torch.rand(1, 3, height, width) * 2 - 1 for side in "AB"}
    for number in range(steps):
        engine.step(batch, epoch=1, images=number)
        if "saves" in contestant and number >= steps - 2:
            with closing(open_recorder(options, schedule, folder, Progress(0, silent=True), None, {})) as recorder:
                spent = seconds(partial(training.save, recorder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    sizes = [path.stat().st_size for path in folder.glob("latest_*.pth")] if "saves" in contestant else []
    for size in sizes:
        disk += write(folder / "probe", bytes(size))
    return {"peak": peak, "size": sum(sizes) / 1e6, "seconds": spent, "disk": disk}


def write(path: Path, content: bytes) -> float:
    """How many seconds a file of that content takes to be on the disk; it is removed."""
    begin = time.perf_counter()
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    needed = time.perf_counter() - begin
    path.unlink()
    return needed


if __name__ == "__main__":
    main()
