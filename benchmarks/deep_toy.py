"""The same small pix2pix on towns in colour with 8 bits, and on the same ones in two bands with 8 and with 16 bits.

python benchmarks/deep_toy.py --rounds 3

All learn the map of a photo, for the same number of steps; another round is another seed. The error is the mean
absolute one of the held-out maps in [-1, 1], L1 of pix2pix, measured every few epochs and at the end.
"""
import json
import tempfile
import time
from pathlib import Path

from both_ways import call
from common import machine, parser, positive, report

from engine.device import choose_device

SETS = {"8 bits, red green blue": [], "8 bits, two bands": ["--bands", "2"],
        "16 bits, two bands": ["--bits", "16", "--bands", "2"]}
NETWORKS = "--model pix2pix --netG resnet_6blocks --ngf 16 --ndf 16 --load_size 68 --crop_size 64 --num_threads 0"
TINY = "--model pix2pix --netG resnet_6blocks --ngf 4 --ndf 4 --load_size 32 --crop_size 32 --num_threads 0"


def main() -> None:
    """Draws the sets, trains on each, and prints a table."""
    flags = parser(__doc__.splitlines()[0], rounds=1)
    flags.add_argument("--epochs", type=positive, default=4, help="of each training, on 200 towns")
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(name, seed, made, 1 if args.quick else args.epochs, args.quick, Path(folder))
                for seed in range(args.rounds) for name, made in SETS.items()]
    report("pix2pix on the toy set, 64 pixels" + " (quick: 32)" * args.quick,
           machine(choose_device("0", asked_for=False)), rows, args.json)


def measure(name: str, seed: int, made: list[str], epochs: int, quick: bool, folder: Path) -> dict[str, object]:
    """A row: the errors of one training."""
    dataroot, run = folder / name.replace(" ", "_"), f"run{seed}"
    call("datasets/toy_maps.py", "--out", str(dataroot), *made,
         *("--size 32 --n_train 4 --n_test 2" if quick else "--size 64 --n_train 200 --n_test 40").split())
    channels = ["--input_nc", made[-1]] if made else []
    begin = time.perf_counter()
    call("train.py", "--dataroot", str(dataroot), "--name", run, "--checkpoints_dir", str(dataroot / "runs"),
         "--seed", str(seed), *(TINY if quick else NETWORKS).split(), *channels, "--gpu_ids", "-1", "--display_id", "0",
         "--no_html", "--n_epochs", str(epochs - epochs // 2), "--n_epochs_decay", str(epochs // 2),
         "--val_freq", str(max(1, epochs // 4)), "--val_phase", "test")
    lines = map(json.loads, (dataroot / "runs" / run / "metrics.jsonl").read_text().splitlines())
    errors = {line["epoch"]: line["validation"]["L1"] for line in lines if "validation" in line}
    return {"photos": name, "seed": seed, "seconds": time.perf_counter() - begin,
            **{f"after {epoch}": error for epoch, error in errors.items()}}


if __name__ == "__main__":
    main()
