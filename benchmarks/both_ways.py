"""The same training with --plain and without: time, losses and error of the translation, side by side.

python benchmarks/both_ways.py --dataroot ./datasets/facades --images 40000 -- --model pix2pix --direction BtoA

Flags behind -- go to both trainings. Without --dataroot the built-in toy set is drawn and used. The dataset must hold
pairs: the error is measured on its folder test.
"""
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine, parser, positive, report

from engine.device import choose_device

ROOT = Path(__file__).parents[1]
WAYS = {"plain": ["--plain"], "fast": []}
TINY = "--crop_size 32 --load_size 32 --netG resnet_6blocks --ngf 4 --ndf 4 --num_threads 0".split()


def main() -> None:
    """Trains, translates and measures both ways; prints a table."""
    flags = parser(__doc__.splitlines()[0], rounds=1)
    flags.add_argument("--dataroot", type=Path, help="folder of pairs with train and test; left out: the toy set")
    flags.add_argument("--images", type=positive, default=4000, help="images to train with, each way")
    flags.add_argument("train_flags", nargs="*", metavar="-- FLAG", help="flags of both trainings")
    args = flags.parse_args()
    if args.dataroot and not (args.dataroot / "train").is_dir():
        flags.error(f"{args.dataroot}/train is not there; expected a folder of pairs with train and test")
    with tempfile.TemporaryDirectory() as folder:
        dataroot = args.dataroot or toy_set(Path(folder), args.quick)
        images = 8 if args.quick else args.images
        model = [] if "--model" in args.train_flags else ["--model", "pix2pix"]
        given = [*model, *args.train_flags, *(TINY if args.quick else [])]
        rows = [measure(way, [*given, *extra], dataroot.resolve(), images, Path(folder)) for way, extra in WAYS.items()]
    where = machine(choose_device("0", asked_for=False))
    report(f"The same training both ways, {images} images", where, rows, args.json)


def toy_set(folder: Path, quick: bool) -> Path:
    """The built-in toy set, drawn into `folder`."""
    sizes = ["--size", "32", "--n_train", "8", "--n_test", "2"] if quick else ["--size", "256"]
    call("datasets/toy_maps.py", "--out", str(folder / "toy_maps"), *sizes)
    return folder / "toy_maps"


def measure(way: str, flags: list[str], dataroot: Path, images: int, folder: Path) -> dict[str, object]:
    """Trains with `images` images, translates the test folder, and gives a row of numbers."""
    count = sum(1 for path in (dataroot / "train").rglob("*") if path.is_file())
    epochs = -(-images // count)
    run = ["--name", way, "--dataroot", str(dataroot), "--checkpoints_dir", str(folder)]
    model = flags[flags.index("--model") + 1]
    begin = time.perf_counter()
    call("train.py", *run, "--overwrite", "--display_id", "0", "--no_html", "--print_freq", "1",
         "--n_epochs", str(epochs), "--n_epochs_decay", "0", *flags)
    seconds = time.perf_counter() - begin
    call("test.py", *run, "--model", model, "--results_dir", str(folder), "--dataset_mode", "aligned",
         "--num_test", "1000")
    numbers = folder / f"{way}.json"
    call("evaluate.py", str(folder / way / "test_latest"), "--json", str(numbers))
    lines = [json.loads(line) for line in (folder / way / "metrics.jsonl").read_text().splitlines()]
    late = lines[-max(1, len(lines) // 4):]
    losses = {name: statistics.fmean(line["losses"][name] for line in late) for name in late[0]["losses"]}
    errors = {f"error {row['direction']}": row["error"] for row in json.loads(numbers.read_text())}
    return {"way": way, "seconds": seconds, "images/s": epochs * count / seconds, **losses, **errors}


def call(script: str, *flags: str) -> str:
    """What a command of the project prints; ends with its message when it fails."""
    done = subprocess.run([sys.executable, str(ROOT / script), *flags], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{script} {' '.join(flags)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
