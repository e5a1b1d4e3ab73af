"""Which images in shards become which files, and which files become which shards."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import numpy as np

from data.folders import list_images
from data.paths import Paths
from data.shard_images import images_in_shards, part_of
from door.jobs import Jobs, Say, above, found, is_file, plan, refuse_inputs
from shards.member_names import MemberNames
from shards.names import TAR, all_shards, is_pattern, is_remote
from util.errors import UserError
from util.names import split_ending

Group = tuple[Path, list[str]]
"""What a set of shards is called, without its number and its ending, and what files are called that go into it."""


def plan_of_many(dataroot: Path, output: str, direction: str, size: int, say: Say) -> Jobs:
    """Which files, or images in shards, become which files, or images in shards of at most `size`, if that is not 0.

    Of pairs that side is translated that `direction` says. A shard becomes a folder or a shard of its name, or several
    shards, a folder shards of its name. UserError when there are no images, and where an input would be replaced.
    """
    if is_remote(Path(output)):
        raise UserError(f"--output {output} is no place on this machine; give a folder, and copy it there afterwards")
    if output.endswith(TAR) and not Path(output).is_dir():
        raise UserError(f"--output {output} is one file; shards are written by --output {output[:-4]} --output_shards "
                        "1000, which are images a shard")
    shards = shards_of(dataroot)
    if not shards and not size:
        return plan(dataroot, output, say)
    if is_file(output):
        raise UserError(f"--output {output} is one file, and --dataroot {dataroot} may have many; give a folder")
    place = Path(output)
    if not shards:
        root, files = found(dataroot, say) if not dataroot.is_file() else (dataroot.parent, Paths.of([dataroot]))
        begin = len(above(root))
        group = Path(root.absolute().name or "images"), [os.fsdecode(name[begin:]) for name in files.names()]
        return refuse_inputs(Jobs(files, files, *_into_shards([group], place, size, numbered=True)))
    files, notices = images_in_shards(shards)
    say(notices)
    files = _of_one_side(files, direction)
    if not len(files):
        raise UserError(f"--dataroot {dataroot} holds no image in {len(shards)} shards, such as {shards[0]}")
    groups, inputs = _groups(files, shards), Paths.of(shards)
    if size:
        targets, into, which = _into_shards(groups, place, size)
        return refuse_inputs(Jobs(files, inputs, _require_different(targets, into), into, which))
    targets = Paths.of(place / folder / name for folder, inside in groups for name in inside)
    return refuse_inputs(Jobs(files, inputs, _require_different(targets, targets)))


def _require_different(targets: Paths, written: Paths) -> Paths:
    """The targets. UserError where two of what is written have one name, of which one would replace the other."""
    names = written.names()
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise UserError(f"{count} of the results would be called {os.fsdecode(name)}; translate the shards one by one, "
                        "or write those again in which samples have one name")
    return targets


def shards_of(dataroot: Path) -> list[Path]:
    """The shards that --dataroot means; none where it has images, or means a file or a glob."""
    if not (is_pattern(str(dataroot)) or dataroot.is_dir()):
        return []
    shards = all_shards(str(dataroot))
    return shards if shards and (is_pattern(str(dataroot)) or not list_images(dataroot, 1)) else []


def _of_one_side(files: Paths, direction: str) -> Paths:
    """Without the other side of pairs, if there are any."""
    sides = np.array([part_of(name)[1] for name in files.names()])
    if not {b"a", b"b"} <= set(sides.tolist()):
        return files
    return files.only(sides != (b"b" if direction == "AtoB" else b"a"))


def _groups(files: Paths, shards: Sequence[Path]) -> list[Group]:
    """Of each shard what its results are called: their keys, and the endings of the images."""
    root = Path(os.path.commonpath([shard.parent for shard in shards]))
    groups: list[Group] = []
    left = iter(shards)
    begin = b"\0"
    for name in files.names():
        while not name.startswith(begin):
            shard = next(left)
            begin = above(shard)
            groups.append((shard.relative_to(root).with_name(shard.name[:-len(TAR)]), []))
        inside = name[len(begin):]
        key, side = part_of(inside)
        ending = split_ending(os.fsdecode(inside))[1]
        groups[-1][1].append(os.fsdecode(key) + ending if side else os.fsdecode(inside))
    return groups


def _into_shards(groups: Iterable[Group], place: Path, size: int, numbered: bool = False
                 ) -> tuple[Paths, Paths, np.ndarray]:
    """What files become, the shards, and which of them each lies in. numbered: also those that are a set alone."""
    targets, shards, which = list[bytes](), list[Path](), list[int]()
    for name, inside in groups:
        names, several = MemberNames(), numbered or len(inside) > size
        for number, begin in enumerate(range(0, len(inside), size)):
            shard = place / name.with_name(f"{name.name}-{number:06}{TAR}" if several else f"{name.name}{TAR}")
            part = inside[begin:begin + size]
            targets += [above(shard) + os.fsencode(names.sample(PurePath(one))[0]) for one in part]
            which += [len(shards)] * len(part)
            shards.append(shard)
    return Paths.of_names(targets), Paths.of(shards), np.array(which, np.int32)
