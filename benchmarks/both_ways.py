"""The same training with --plain and without: time, losses and error of the translation, side by side.

python benchmarks/both_ways.py --dataroot ./datasets/facades --images 400 --seeds 3 -- --model pix2pix --direction BtoA

Contestants differ by one thing each (see contestants below). They take turns within a seed, and in the other order
within the next. A cell is the mean over the seeds, with the least and the greatest of them: what differs by less may
differ by chance. Flags behind -- go to all trainings; all results are translated in the same way, in fp32. Without
--dataroot the built-in toy set is drawn and used. The dataset must hold pairs: the error is that of its folder test.
"""
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from common import machine, parser, positive, report

from engine.device import choose_device
from engine.precision import has_bf16_units

ROOT = Path(__file__).parents[1]
TINY = "--crop_size 32 --load_size 32 --netG resnet_6blocks --ngf 4 --ndf 4 --num_threads 0".split()


class Spread(tuple[float, ...]):
    """A number, measured once with each seed."""

    def __str__(self) -> str:
        mean, least, most = (f"{number:.3g}" for number in (statistics.fmean(self), min(self), max(self)))
        return f"{mean} ({least}..{most})" if len(self) > 1 else mean


def main() -> None:
    """Trains, translates and measures each way with each seed; prints a table."""
    device = choose_device("0", asked_for=False)
    ways = contestants(device)
    flags = parser(__doc__.splitlines()[0], rounds=None)
    flags.add_argument("--dataroot", type=Path, help="folder of pairs with train and test; left out: the toy set")
    flags.add_argument("--images", type=positive, default=4000, help="images to train with, each way and seed; where "
                                                                     "there are more, the first ones")
    flags.add_argument("--seeds", type=positive, default=1, metavar="N", help="train each way with the seeds 0 to N-1")
    flags.add_argument("--ways", nargs="+", choices=ways, default=list(ways), help="the contestants")
    flags.add_argument("train_flags", nargs="*", metavar="-- FLAG", help="flags of all trainings")
    args = flags.parse_args()
    if args.dataroot and not (args.dataroot / "train").is_dir():
        flags.error(f"{args.dataroot}/train is not there; expected a folder of pairs with train and test")
    with tempfile.TemporaryDirectory() as folder:
        dataroot = args.dataroot or toy_set(Path(folder), args.quick)
        images = 8 if args.quick else args.images
        model = [] if "--model" in args.train_flags else ["--model", "pix2pix"]
        given = [*model, *args.train_flags, *(TINY if args.quick else [])]

        def run(way: str, seed: int) -> Numbers:
            words = [*given, "--seed", str(seed), *ways[way].split()]
            return measure(f"{way} {seed}", words, dataroot.resolve(), images, Path(folder))
        rows = in_turns(args.ways, args.seeds, run)
    title = f"The same training both ways, {images} images, {args.seeds} seed{'s' * (args.seeds > 1)}"
    report(title, machine(device), rows, args.json)


def contestants(device: torch.device) -> dict[str, str]:
    """Flags by name. From one to the next one thing changes; the last is what is done by default."""
    if device.type != "cuda":
        found = {"plain": "--plain --precision fp32", "autotune off": "--precision fp32 --autotune off",
                 "fp32": "--precision fp32"}
        return found | ({"bf16": "--precision bf16"} if has_bf16_units(device) else {})
    found = {"plain": "--plain",  # multiplies as torch does by itself: tf32 in convolutions
             "plain, fp32": "--plain --precision fp32", "fp32": "--precision fp32 --cuda_graph off"}
    if not has_bf16_units(device):
        return found | {"fp32, recorded": "--precision fp32"}
    return found | {"tf32": "--precision tf32 --cuda_graph off", "bf16": "--precision bf16 --cuda_graph off",
                    "bf16, recorded": "--precision bf16"}


Numbers = Mapping[str, float]
"""What was measured of one training, by name."""


def in_turns(ways: Sequence[str], seeds: int, run: Callable[[str, int], Numbers]) -> list[dict[str, object]]:
    """A row for each way, when all have run with one seed, then, in the other order, with the next. Tells each run."""
    found: dict[str, list[Numbers]] = {way: [] for way in ways}
    for seed in range(seeds):
        for way in ways[::-1 if seed % 2 else 1]:
            found[way].append(run(way, seed))
            told = ", ".join(f"{name} {number:.3g}" for name, number in found[way][-1].items())
            print(f"{way}, seed {seed}: {told}", flush=True)
    return [{"way": way, **over_seeds(runs)} for way, runs in found.items()]


def over_seeds(runs: Sequence[Numbers]) -> dict[str, Spread]:
    """Of each number, what it was with each seed."""
    return {name: Spread(run[name] for run in runs) for name in runs[0]}


def toy_set(folder: Path, quick: bool) -> Path:
    """The built-in toy set, drawn into `folder`."""
    sizes = ["--size", "32", "--n_train", "8", "--n_test", "2"] if quick else ["--size", "256"]
    call("datasets/toy_maps.py", "--out", str(folder / "toy_maps"), *sizes)
    return folder / "toy_maps"


def measure(name: str, flags: Sequence[str], dataroot: Path, images: int, folder: Path) -> Numbers:
    """Trains with `images` images, translates the test folder, and gives the numbers."""
    count = min(images, sum(1 for path in (dataroot / "train").rglob("*") if path.is_file()))
    epochs = -(-images // count)
    run = ["--name", name, "--dataroot", str(dataroot), "--checkpoints_dir", str(folder)]
    model = flags[flags.index("--model") + 1]
    begin = time.perf_counter()
    said = call("train.py", *run, "--display_id", "0", "--no_html", "--print_freq", "1", "--max_dataset_size",
                str(count), "--n_epochs", str(epochs), "--n_epochs_decay", "0", *flags)
    seconds = time.perf_counter() - begin
    print("".join(f"{line}\n" for line in said.splitlines() if line.startswith("autotune: ")), end="")
    call("test.py", *run, "--model", model, "--results_dir", str(folder), "--dataset_mode", "aligned",
         "--num_test", "1000", "--autotune", "off")
    numbers = folder / f"{name}.json"
    call("evaluate.py", str(folder / name / "test_latest"), "--json", str(numbers))
    lines = [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
    late = lines[-max(1, len(lines) // 4):]
    losses = {loss: statistics.fmean(line["losses"][loss] for line in late) for loss in late[0]["losses"]}
    errors = {f"error {row['direction']}": row["error"] for row in json.loads(numbers.read_text())}
    return {"seconds": seconds, "images/s": epochs * count / seconds, **losses, **errors}


def call(script: str, *flags: str) -> str:
    """What a command of the project prints; ends with its message when it fails."""
    done = subprocess.run([sys.executable, str(ROOT / script), *flags], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{script} {' '.join(flags)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
