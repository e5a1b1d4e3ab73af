"""Translate a folder on a Ray cluster.

    python examples/ray_translate.py --run checkpoints/maps --dataroot photos --output photos_as_maps

Needs pip install .[ray]. Without --address Ray is started on this machine; --address ray://head:10001 or auto takes a
cluster whose machines all see this folder, the run, --dataroot and --output at the same paths. The same line again goes
on: files that are there are not made again, so give each run a folder of results of its own.
"""
import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import bothways
from door.jobs import plan
from util.errors import MachineError, UserError, exit_on
from util.extra import library
from util.notices import say

MOST_SAID = 20  # of the files that could not be read
SHARE = 32  # files that an actor takes at a time


class Translating:
    """An actor of Ray Data, which holds the generator. Ray replaces one that dies, and gives its files to another."""

    def __init__(self, run: str):
        self.translator = bothways.load(run)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Translates files (sources, targets); returns why each was not, '' where it was."""
        return {"error": [self._translate(Path(source), Path(target))
                          for source, target in zip(batch["source"], batch["target"], strict=True)]}

    def _translate(self, source: Path, target: Path) -> str:
        if target.exists():  # files are complete when they have their name
            return ""
        try:
            self.translator.translate_file(source, target)
        except MachineError:
            raise
        except UserError as error:
            return str(error)
        return ""


def main(argv: Sequence[str] | None = None) -> None:
    """Translates all. Exit code 0 when each file has its result, 2 when some cannot be read, 1 when a disk is full."""
    parser = argparse.ArgumentParser("ray_translate.py", description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="folder of the run, as bothways.load takes it")
    parser.add_argument("--dataroot", type=Path, required=True, help="folder of images and videos, or a glob")
    parser.add_argument("--output", required=True, help="folder of the results, which keep the tree and the names")
    parser.add_argument("--address", default="local", help="of a cluster: ray://head:10001, auto; local: this machine")
    parser.add_argument("--actors", type=int, default=0, help="how many at once; 0: one a GPU, without GPUs one a CPU")
    args = parser.parse_args(argv)
    with exit_on(UserError):
        errors = translate(os.path.abspath(args.run), args.dataroot.absolute(), os.path.abspath(args.output),
                           args.address, args.actors)
        if errors:
            raise UserError("\n  ".join([f"{len(errors)} files could not be translated:", *errors[:MOST_SAID]]))


def translate(run: str, dataroot: Path, output: str, address: str, actors: int) -> list[str]:
    """Why files could not be translated, of those that could not."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = library("ray", "ray", "ray_translate.py")
    rows = [{"source": str(job.source), "target": str(job.target)} for job in plan(dataroot, output, say)]
    ray.init(address, include_dashboard=False if address == "local" else None, logging_level="warning",
             runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}})
    there = ray.cluster_resources()
    gpus = int(there.get("GPU", 0))
    work = (run, rows, actors or gpus or int(there["CPU"]), 1 if gpus else 0)
    try:
        if address.startswith("ray://"):  # Ray Data does not work through Ray's client, but within a task it does
            errors: list[str] = ray.get(ray.remote(num_cpus=0)(deal_out).remote(*work))
            return errors
        return deal_out(*work)
    except ray.exceptions.RayTaskError as error:
        raise MachineError(f"{error.cause}\nWhat is translated stays: mend that, and the same again goes on") from None


def deal_out(run: str, rows: list[dict[str, str]], actors: int, gpus: int) -> list[str]:
    """Lets so many actors, each with so many GPUs, translate the rows; why files were not, of those that were not."""
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    made = ray.data.from_items(rows).map_batches(
        Translating, fn_constructor_args=(run,), batch_size=SHARE, compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1, num_gpus=gpus)
    return [row["error"] for row in tqdm(made.iter_rows(), total=len(rows), unit=" images") if row["error"]]


if __name__ == "__main__":
    main()
