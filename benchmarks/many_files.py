"""A folder of very many small images: from the command to the first step, at the first start and at the second.

    python benchmarks/many_files.py --count 1000000
    python benchmarks/many_files.py --count 1000000 --shards

Each start is the whole train.py in a process of its own, one step long, with nothing but the folder and what earlier
starts remember. The files are hard links to few images, so that the table of the folder is as long as that of as many
files, and the disk is spared.
"""
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from common import CHECKOUT, machine, parser, positive, report
from PIL import Image

from engine.device import choose_device

IN_SHARD = 10_000
LINKS = 50_000  # of a file, at most; file systems allow 65,000
START = ("--model pix2pix --netG resnet_6blocks --ngf 4 --ndf 4 --preprocess none --num_threads 2 --n_epochs 1 "
         "--n_epochs_decay 0 --max_minutes 0.0001 --no_html --name many --overwrite")


def main() -> None:
    """Prints a row for each start: seconds, and the peak of the main process's memory."""
    flags = parser(__doc__.splitlines()[0], rounds=2)
    flags.add_argument("--count", type=positive, default=100_000, help="files in the folder")
    flags.add_argument("--shards", action="store_true", help="the images lie in tar shards")
    flags.add_argument("--work", type=Path, help="a folder for the files; default: the temporary one")
    args = flags.parse_args()
    count = 200 if args.quick else args.count
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        (make_shards if args.shards else make)(Path(work, "images"), count)
        rows = [start(Path(work), "first" if number == 0 else f"again, {number}") | {"files": count}
                for number in range(1 + args.rounds)]
        report("From the command to the end of the first step", machine(choose_device("0", asked_for=False)), rows,
               args.json)


def make(images: Path, count: int) -> None:
    """`count` pairs A|B of 32 x 32 pixels: 1.jpg, 2.jpg, ..."""
    folder = images / "train"
    folder.mkdir(parents=True)
    for number in range(count):
        if number % LINKS == 0:
            image = folder.parent / f"{number}.jpg"
            Image.effect_noise((64, 32), 60 + number // LINKS).convert("RGB").save(image)
            os.utime(image, (time.time() - 100,) * 2)  # as images are that were not written just now
        os.link(image, folder / f"{number}.jpg")


def make_shards(images: Path, count: int) -> None:
    """The same in shards, of which each but the last is the first one by another name."""
    images.mkdir(parents=True)
    first = images / "train-000000.tar"
    for number, begin in enumerate(range(0, count, IN_SHARD)):
        shard, size = images / f"train-{number:06d}.tar", min(IN_SHARD, count - begin)
        if number and size == IN_SHARD:
            os.link(first, shard)
        else:
            _write_shard(shard, size)


def _write_shard(shard: Path, count: int) -> None:
    file = io.BytesIO()
    Image.effect_noise((64, 32), 60).convert("RGB").save(file, "jpeg")
    with tarfile.open(shard, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(count):
            entry = tarfile.TarInfo(f"{number:08d}.jpg")
            entry.size = len(file.getvalue())
            tar.addfile(entry, io.BytesIO(file.getvalue()))


def start(work: Path, name: str) -> dict[str, object]:
    """One start of train.py: seconds, seconds of computing in all processes, and MB of its largest."""
    command = [sys.executable, str(Path(os.environ.get(CHECKOUT) or Path(__file__).parents[1], "train.py")),
               "--dataroot", str(work / "images"), "--checkpoints_dir", str(work / "runs"), *START.split()]
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"XDG_CACHE_HOME": str(work / "cache")},
                               stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 75:  # --max_minutes were over
        raise SystemExit(f"train.py ended with exit code {process.returncode}")
    return {"start": name, "seconds": seconds, "of computing": used.ru_utime + used.ru_stime,
            "MB": used.ru_maxrss / 1e3}


if __name__ == "__main__":
    main()
