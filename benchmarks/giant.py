"""Translate a picture larger than memory, tile by tile: what it takes beside one pass, and what it is off by.

    python benchmarks/giant.py --size 16384

Each way of `test.py --tile_norm` runs in a process of its own, whose peak memory is shown. One pass over the whole
picture, which would not fit, is extrapolated from one over a smaller picture. On that one it is measured what the ways
are off by: the largest and the mean difference from the whole, in [-1, 1].
"""
import multiprocessing
import re
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import machine, parser, positive, report, seconds  # first: it finds the project
from torch import nn

from door.giant import Giant, Way
from networks.generators import GENERATORS
from networks.layers import init_weights
from raster.picture import Origin
from raster.region_reading import open_region_reader
from raster.region_writing import open_region_writer
from raster.value_range import BYTES, ValueRange
from runs.progress import Told

UNIT = ValueRange(-1, 1, "float32")
NORMS = ("exact", "thumbnail", "local")


def main(argv: list[str] | None = None) -> None:
    """Print a row for each way."""
    flags = parser(__doc__.splitlines()[0], rounds=1)
    flags.add_argument("--size", type=positive, default=4096, help="side of the picture in pixels")
    flags.add_argument("--picture", type=Path, help="an RGB file of 8 bits to translate instead of a drawn one")
    flags.add_argument("--ngf", type=positive, default=16, help="width of the generator, resnet_9blocks")
    flags.add_argument("--tile", type=int, default=0, help="side of a tile in pixels; 0: what memory allows")
    flags.add_argument("--norms", default=",".join(NORMS), help="the ways, of which only these are run")
    flags.add_argument("--fits", type=positive, default=2048, help="side of the picture that is translated whole; "
                       "up to 1024 a thumbnail is the picture itself")
    flags.add_argument("--folder", type=Path, help="where the files are made and removed; left out: the system's own")
    args = flags.parse_args(argv)
    if args.quick:
        args.size, args.ngf, args.tile, args.fits = 192, 4, 64, 128
    torch.manual_seed(0)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        giant, small = args.picture or folder / "giant.tif", folder / "small.tif"
        if not args.picture:
            draw(giant, args.size)
        draw(small, args.fits)
        one_pass, whole = translate_whole(small, args)
        with open_region_reader(giant) as reader:
            pixels = reader.size[0] * reader.size[1]
        for norm in args.norms.split(","):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                found = fresh.submit(translate, giant, folder / "out.tif", args, norm).result()
            rows.append({"norms": norm, **found, "times one pass": found["minutes"] * 60 / (one_pass[0] * pixels),
                         "processor times one pass": found["processor minutes"] * 60 / (one_pass[1] * pixels),
                         **errors(small, folder / "small.npy", whole, args, norm)})
    taken, computed = (seconds * pixels / 60 for seconds in one_pass)
    report(f"{pixels / 1e6:.0f} megapixels, resnet_9blocks width {args.ngf}; one pass over the whole would take "
           f"{taken:.1f} minutes, {computed:.1f} of the processors", machine(torch.device("cpu")), rows, args.json)


def generator(ngf: int) -> nn.Module:
    """Untrained, but lively: the same in every process."""
    torch.manual_seed(0)
    return init_weights(GENERATORS["resnet_9blocks"].build(3, 3, ngf, "instance", False), "xavier", 1.0).eval()


def draw(path: Path, side: int, block: int = 1024) -> None:
    """A picture in which light and colour change from place to place, at every scale, drawn block by block."""
    writer = open_region_writer(path, (side, side), 3, np.dtype(np.uint8), Origin("TIFF"))
    for top in range(0, side, block):
        for left in range(0, side, block):
            y, x = np.mgrid[top:min(top + block, side), left:min(left + block, side)]
            large, middle, small = (np.sin(2 * np.pi * (x * across + y * down) / side)[..., None]
                                    for across, down in ((1.5, 0.7), (9, -23), (80, 61)))
            noise = np.random.default_rng((top, left)).normal(0, 6, (*x.shape, 3))
            colours = 128 + 70 * large * (1, 0.4, -0.6) + 25 * middle + 15 * small + noise
            writer.write(top, left, colours.clip(0, 255).astype(np.uint8))
    writer.close()


def way(args: Namespace, norm: str) -> Way:
    return Way(args.tile or None, norm, 4, 1, (3, 3), 0, float("inf"))


def translate(source: Path, target: Path, args: Namespace, norm: str) -> dict[str, Any]:
    """What a translation takes. To be run in a fresh process."""
    giant = Giant(generator(args.ngf), source, target, BYTES, BYTES, way(args, norm))
    show = Told(norm, "FLOP")
    taken, computed = seconds_of(lambda: giant.translate(show))
    show.close()
    plan = giant.plan
    return {"tile": plan.tile, "minutes": taken / 60, "processor minutes": computed / 60,
            "peak memory, GB": peak_memory() / 1e9,
            "scratch, GB": plan.scratch / 1e9, "times the arithmetic": plan.flops / plan.flops_of_one_pass}


def seconds_of(work: Callable[[], object]) -> tuple[float, float]:
    """How long it takes, and what it takes of all processors together."""
    begin = time.process_time()
    taken = seconds(work)
    return taken, time.process_time() - begin


def peak_memory() -> float:
    """The most bytes that this process had. (getrusage would count what its parent had when it was started.)"""
    return 1024 * float(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0])


def translate_whole(source: Path, args: Namespace) -> tuple[tuple[float, float], np.ndarray]:
    """Seconds a pixel (seconds_of) of one pass over a picture that fits, and its translation (H, W, C) in [-1, 1]."""
    net = generator(args.ngf)
    with open_region_reader(source) as reader:
        unit = BYTES.to_unit(reader.read(0, 0, *reader.size))
    image = torch.from_numpy(unit).permute(2, 0, 1)[None]
    with torch.inference_mode():
        net(image)  # the first pass prepares libraries
        taken, computed = min(seconds_of(lambda: net(image)) for _ in range(3))
        pixels = unit[..., 0].size
        return (taken / pixels, computed / pixels), net(image)[0].permute(1, 2, 0).numpy()


def errors(source: Path, target: Path, whole: np.ndarray, args: Namespace, norm: str) -> dict[str, float]:
    """How far a picture in tiles of a quarter of its side is from its translation as a whole."""
    part = Namespace(**{**vars(args), "tile": max(args.fits // 4 // 4 * 4, 4)})
    Giant(generator(args.ngf), source, target, BYTES, UNIT, way(part, norm)).translate(lambda done, total: None)
    apart = np.abs(np.load(target) - whole)
    target.unlink()
    return {"largest error": float(apart.max()), "mean error": float(apart.mean())}


if __name__ == "__main__":
    main()
