"""Translate many images in several processes, kill all at random moments and start again; then look at the results.

    python benchmarks/translate_all.py --images 10000 --kills 3
    python benchmarks/translate_all.py --images 10000 --kills 3 --shards 500

Expect each image once, none half written, none left over, and the pixels of a run that nobody killed. With --shards the
images lie in shards and become shards.
"""
import argparse
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tiny networks only wait for a second thread
ROOT = Path(__file__).parents[1]

import numpy as np
import torch
from common import machine  # first: it finds the project
from PIL import Image

import bothways
import train

SIDE = 64
NARROW = f"--netG resnet_6blocks --ngf 8 --ndf 4 --load_size {SIDE} --crop_size {SIDE} --gpu_ids -1"
COMPARED = 100  # results, with those of the Python door


def main() -> None:
    """Print the machine and what was found; exit code 1 unless all is as it should be."""
    parser = argparse.ArgumentParser("translate_all.py", description=__doc__.splitlines()[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="how many to translate")
    parser.add_argument("--processes", type=int, default=2, help="that translate together")
    parser.add_argument("--kills", type=int, default=3, help="how often to kill all of them")
    parser.add_argument("--shards", type=int, default=0, metavar="N", help="shards of so many images; 0: files")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare(args.images, args.shards)
        rng, begin = random.Random(args.seed), time.monotonic()
        for number in range(args.kills):
            share = (number + rng.random()) / (args.kills + 1)
            print(f"killed after {killed_after(int(share * args.images), args.processes, args.shards)} images",
                  flush=True)
        process = started(args.processes, args.shards, subprocess.PIPE)
        out, _ = process.communicate()
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        print(f"exit code {process.returncode} after {time.monotonic() - begin:.0f} s in all, the largest process had "
              f"{memory} MB; the last start said:\n{out.decode().splitlines()[-2]}")
        found = look(args.images, args.shards)
    print(", ".join(machine(torch.device("cpu")).values()))
    print("\n".join(f"{what}: {count}" for what, count in found.items()))
    right = found.pop("results") == args.images and not any(found.values())
    sys.exit(0 if right and process.returncode == 0 else 1)


def prepare(images: int, shards: int) -> None:
    """A folder with images in subfolders of 1000, or with shards of it, and a run with a narrow generator, hardly
    trained.
    """
    subprocess.run([sys.executable, ROOT / "datasets/toy_maps.py", "--size", str(SIDE), "--n_train", "4", "--n_test",
                    "2", "--out", "toy"], check=True, stdout=subprocess.DEVNULL)
    train.main(f"--dataroot toy --name narrow --model cycle_gan {NARROW} --n_epochs 1 --n_epochs_decay 0 "
               "--num_threads 0 --display_id 0 --no_html".split())
    rng = np.random.default_rng(0)
    for number in range(images):
        path = Path("in", str(number // 1000), f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
    if shards:
        size = sum(path.stat().st_size for path in Path("in").rglob("*.png")) / images * shards
        words = f"--dataroot in --dataset_mode single --out packed --shard_mb {size / 1e6}".split()
        subprocess.run([sys.executable, ROOT / "datasets/make_shards.py", *words], check=True)


def started(processes: int, shards: int, output: int) -> subprocess.Popen:
    """All processes, in a group of their own."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    words = ["--dataroot", "packed", "--output_shards", str(shards)] if shards else ["--dataroot", "in"]
    return subprocess.Popen([*torchrun, ROOT / "test.py", *words, "--output", "out", "--name", "narrow", "--gpu_ids",
                             "-1"], start_new_session=True, stdout=output, stderr=subprocess.STDOUT)


def lines() -> list[list]:
    """The whole lines of the journal."""
    rows = []
    for path in Path("out/.translated").glob("*.jsonl"):
        rows += [json.loads(line) for line in path.read_text().split("\n") if line.endswith("]")]
    return rows


def noted(shards: int) -> int:
    """How many images the journal knows as done."""
    return sum(map(len, packed().values())) if shards else len(lines())


def packed() -> dict[str, list[str]]:
    """What lies in the shards of the results."""
    found = {}
    for path in Path("out").glob("*.tar"):
        with tarfile.open(path) as tar:  # an error for half a shard
            found[path.name] = tar.getnames()
    return found


def killed_after(images: int, processes: int, shards: int) -> int:
    """Start, and kill all when so many images are done. How many were, in the end."""
    process = started(processes, shards, subprocess.DEVNULL)
    while process.poll() is None and noted(shards) < images:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pids = [process.pid, *map(int, children.read_text().split())] if children.exists() else [process.pid]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)  # until those that were not our children are gone
    return noted(shards)


def look(images: int, shards: int) -> dict[str, int]:
    """What is there, and all that should not be."""
    made = [path for path in Path("out").rglob("*") if path.is_file() and ".translated" not in path.parts]
    files = pictures(made)
    half = []
    for name, content in files:
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                if image.size != (SIDE, SIDE):
                    half.append(name)
        except OSError:
            half.append(name)
    noted = Counter(name for name, *_ in lines())
    expected, by_name = bothways.load("checkpoints/narrow", device="cpu"), dict(files)
    other = [number for number in range(0, images, max(1, images // COMPARED)) if (
        np.asarray(Image.open(io.BytesIO(by_name[f"{number // 1000}/{number}.png"])))
        != np.asarray(expected(f"in/{number // 1000}/{number}.png"))).any()]
    whole = len([path for path in made if path.suffix == ".tar"]) if shards else images
    return {"results": len(files), "half": len(half),
            "left over": sum(path.suffix not in (".png", ".tar", ".index") for path in made),
            "done twice": sum(count - 1 for count in noted.values()) + len(files) - len(by_name),
            "never noted": whole - len(noted), "with other pixels": len(other)}


def pictures(made: list[Path]) -> list[tuple[str, bytes]]:
    """All results with their content, as they are called in the folder of the inputs."""
    found = [(path.relative_to("out").as_posix(), path.read_bytes()) for path in made if path.suffix == ".png"]
    for path in made:
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                found += [(member.name, file.read()) for member in tar if (file := tar.extractfile(member))]
    return found


if __name__ == "__main__":
    main()
