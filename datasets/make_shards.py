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
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from options.parser import HelpAsked
from options.schema import OptionError
from util.errors import UserError, exit_on
from util.notices import say

if TYPE_CHECKING:  # --help answers without torch
    from data.integrity import Look
    from data.packing import Packed, Pile
    from data.per_file import PerFile
    from options.schema import Options
    from runs.progress import Progress
    from shards.writing import File

MODES = ("aligned", "unaligned", "single")
AHEAD = 16  # files that are read while others are written
JOURNAL = ".packed"


def main(argv: list[str] | None = None) -> None:
    """The command; its exit codes are in the help."""
    args = parser().parse_args(argv)
    with exit_on(UserError, OptionError, HelpAsked):
        if args.verify:
            from verify_shards import verify
            sys.exit(0 if verify(args.verify) else 1)
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
    result.add_argument("--max_pixels", type=float, metavar="N", help="images with more pixels are bad, as for train.py")
    result.add_argument("--verify", metavar="SHARDS", help="look whether shards are whole: a folder of them or a "
                                                           "pattern, as --dataroot of train.py")
    return result


def pack(args: argparse.Namespace) -> None:
    """Write all shards that are not there yet. UserError for what cannot be packed."""
    from data.folders import PHASES
    from data.packing import find_piles
    from door.journal import Journal

    if args.shard_mb <= 0:
        raise UserError(f"--shard_mb {args.shard_mb:g} is too small, expected more than 0")
    options, journal = options_of(args), Journal(args.out, {}, JOURNAL)
    say(options.notices)
    piles, notices = find_piles(options, args.phase or PHASES, args.skip_bad_images)
    say(notices)
    with journal.held():
        packing = Packing(args.out, journal)
        for pile in piles:
            packing.pack(pile, args.shard_mb * 1e6, args.shuffle)
        say(packing.end())
    print(f"{args.out}: {packing.made} shards packed, {len(packing.packed) - packing.made} were there; train with "
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


class Packing:
    """The shards of a folder, each packed if its files are not those of last time. packed: all names; made: how many
    were packed now."""

    def __init__(self, folder: Path, journal: Journal):
        """UserError where there are shards that nobody packed here."""
        self.folder, self.journal, self.sums = folder, journal, Sums(folder)
        self.entries = journal.begin()
        self.ours = {entry.target for entry in self.entries.values()}
        self.packed, self.made = list[str](), 0
        others = sorted({path.name for path in folder.glob("*.tar")} - self.ours - self.sums.known.keys())
        if others:
            raise UserError(f"{folder} holds shards that were not packed by this command, such as {others[0]}; give "
                            "another --out, or remove them")

    def pack(self, pile: Pile, most: float, mixed: bool) -> None:
        """Write the shards of a set, at most so many bytes each."""
        count = len(pile.sides) * len(pile.sides[0])
        with self.journal.writing() as note, closing(Told(pile.name)) as bar:
            done = 0
            for number, files in enumerate(shards_of(pile, most, mixed)):
                shard = self.folder / f"{pile.name}-{number:06}.tar"
                name, source = name_of(shard.name, *files), Standing(len(files), sum(file.size for file in files))
                self.packed.append(shard.name)
                if not (self.journal.is_done(self.entries.get(name), source) and shard.name in self.sums.known):
                    self.sums.add(shard.name, write_shard(shard, read_files(files, pile.looks)))
                    note(name, source, shard)
                    self.made += 1
                done += len(files)
                bar(done, count)

    def end(self) -> list[str]:
        """Remove the shards of last time whose files are gone; notices."""
        gone = sorted(self.ours - set(self.packed))
        for name in gone:
            remove(index_path(self.folder / name))
            remove(self.folder / name)
        self.sums.keep(self.packed)
        return [f"note: {len(gone)} shards of last time are removed, whose files are elsewhere now or gone: "
                f"{', '.join(gone[:3])}{', ...' if len(gone) > 3 else ''}"] if gone else []


def read_files(files: Sequence[Packed], looks: PerFile[Look]) -> Iterator[File]:
    """The files with their content, some of them read ahead. MachineError for one that has changed meanwhile."""
    waiting = deque[Future[bytes]]()
    with ThreadPoolExecutor(AHEAD) as pool:
        for place, file in enumerate(files):
            while len(waiting) < AHEAD and place + len(waiting) < len(files):
                waiting.append(pool.submit(files[place + len(waiting)].path.read_bytes))
            content = waiting.popleft().result()
            if len(content) != file.size:
                raise MachineError(f"{file.path} had {file.size} bytes and has {len(content)} now; wait until nobody "
                                   "writes to the folder, and give the same line again")
            yield File(file.name, content, look_values(looks[file.path]))


if __name__ == "__main__":
    main()
