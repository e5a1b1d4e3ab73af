"""Pack a folder of images into tar shards in the WebDataset format, which train.py and test.py read by --dataroot.

    python datasets/make_shards.py --dataroot datasets/facades --out shards/facades
    python datasets/make_shards.py --verify shards/facades

Files stay as they are, byte for byte. The same line goes on where the last one ended or was killed, and packs anew
what has changed. Each shard is read back, and gets an index that says what its pictures are.
Exit code 0 when all is packed, or all verified is whole, 1 when a shard is not or the machine fails, 2 for a wrong
command line, bad images or none.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.parser import HelpAsked
from options.schema import OptionError
from util.errors import UserError, exit_on
from util.notices import say

if TYPE_CHECKING:  # --help answers without torch
    from options.schema import Options

MODES = ("aligned", "unaligned", "single")


def main(argv: list[str] | None = None) -> None:
    """The command; its exit codes are in the help."""
    args = parser().parse_args(argv)
    with exit_on(UserError, OptionError, HelpAsked):
        if args.verify:
            sys.exit(0 if verified(args.verify) else 1)
        if not (args.dataroot and args.out):
            raise UserError("--dataroot and --out are needed: the folder of the images, and that of the shards")
        pack(args)


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    result = argparse.ArgumentParser("make_shards.py", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--dataroot", metavar="FOLDER", help="folder of the images, laid out as for train.py")
    result.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the shards")
    result.add_argument("--dataset_mode", choices=MODES, help="pairs, two piles, or one pile. Left out: found from the "
                                                              "folders")
    result.add_argument("--phase", nargs="+", metavar="NAME", help="which phases. Left out: those of train, val and "
                                                                   "test that are there")
    result.add_argument("--shard_mb", type=float, default=256, metavar="N", help="how many million bytes of images a "
                                                                                 "shard has (256)")
    result.add_argument("--shuffle", action="store_true", help="mix the samples, always in the same way: a training "
                                                               "has few shards at hand at a time")
    result.add_argument("--skip_bad_images", action="store_true", help="leave out images that cannot be read, and say "
                                                                       "which, instead of stopping")
    result.add_argument("--max_pixels", type=float, metavar="N", help="images with more pixels are bad, as for "
                                                                      "train.py")
    result.add_argument("--verify", metavar="SHARDS", help="look whether shards are whole: a folder of them or a "
                                                           "pattern, as --dataroot of train.py")
    return result


def pack(args: argparse.Namespace) -> None:
    """Write all shards that are not there yet. UserError for what cannot be packed."""
    from shards_folder import filling

    from data.folders import PHASES
    from data.packing import find_piles

    if args.shard_mb <= 0:
        raise UserError(f"--shard_mb {args.shard_mb:g} is too small, expected more than 0")
    options = options_of(args)
    say(options.notices)
    piles, notices = find_piles(options, args.phase or PHASES, args.skip_bad_images)
    say(notices)
    with filling(args.out) as folder:
        for pile in piles:
            folder.pack(pile, args.shard_mb * 1e6, args.shuffle)
        say(folder.end())
    print(f"{args.out}: {folder.made} shards packed, {len(folder.packed) - folder.made} were there; train with "
          f"--dataroot {args.out}")


def options_of(args: argparse.Namespace) -> Options:
    """The options by which the images are found. OptionError, NoImages for a folder that holds none."""
    import data
    import models
    from data.doctor import layout
    from options.command_line import Command, parse
    from options.groups import TrainCommandOptions

    command = Command("make_shards.py", "train", "Pack images.", (TrainCommandOptions,), models.find, data.find,
                      models.names, data.names)
    most = ["--max_pixels", f"{args.max_pixels}"] if args.max_pixels else []
    return parse(command, ["--dataroot", args.dataroot, "--dataset_mode",
                           args.dataset_mode or layout(Path(args.dataroot)), *most])

def verified(shards: str) -> bool:
    """Whether shards are whole; says what is not."""
    from shards_folder import faults, find

    found = find(shards)
    wrong = list(faults(found))
    say([f"{fault}" for fault in wrong])
    print(f"{shards}: {len(found)} shards, {len(wrong) or 'no'} faults")
    return not wrong


if __name__ == "__main__":
    main()
