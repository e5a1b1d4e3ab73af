"""Finding images in shards: their paths, in the order in which they lie there."""
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from data.folders import IMAGE_ENDINGS, endings_of
from data.paths import Paths
from data.workers import looking_processes
from shards.index import Index, known, remember, scan
from shards.names import is_remote
from util.errors import UserError
from util.torchrun import local_world_size

ASKED_AT_ONCE = 32  # shards of a server
SHOWN = 20  # images without a partner that are listed
PART = re.compile(rb"\.[ab]\.", re.IGNORECASE)
SEP = os.fsencode(os.sep)
_ENDINGS = frozenset(os.fsencode(ending) for ending in IMAGE_ENDINGS)


class PairsFound(NamedTuple):
    """The files of A and of B; B is None where each file is a pair A|B side by side. notices: of files passed over."""

    A: Paths
    B: Paths | None
    notices: list[str]


def images_in_shards(shards: Sequence[Path], limit: float = float("inf")) -> tuple[Paths, list[str]]:
    """The images in these shards, at most `limit`; a notice about the other files in them, if there are any.

    Raises BrokenShard, MachineError.
    """
    names: list[bytes] = []
    others: list[bytes] = []
    for shard, index in indexed(shards):
        _sort_out(shard, index, names, others)
        if len(names) >= limit:
            break
    end = None if limit == float("inf") else int(limit)
    return Paths.of_names(names[:end]), _passed_over(len(names), others, shards)


def pairs_in_shards(shards: Sequence[Path], limit: float = float("inf")) -> PairsFound:
    """The pairs in these shards, at most `limit`: of files KEY.a.png and KEY.b.png of one shard, or A|B in each file.

    Raises UserError where no pair is left or a file has two partners; BrokenShard, MachineError.
    """
    A: list[bytes] = []
    B: list[bytes] = []
    whole: list[bytes] = []
    others: list[bytes] = []
    alone: list[bytes] = []
    for shard, index in indexed(shards):
        images: list[bytes] = []
        _sort_out(shard, index, images, others)
        if not PART.search(b"\0".join(images)):
            whole += images
            images = []
        sides: dict[bytes, dict[bytes, bytes]] = {b"a": {}, b"b": {}}
        for path in images:
            key, side = part_of(path)
            if not side:
                whole.append(path)
            elif sides[side].setdefault(key, path) != path:
                raise UserError(f"it is not clear which of these are a pair: {os.fsdecode(sides[side][key])} and "
                                f"{os.fsdecode(path)}; leave one of each side")
        for key, path in sides[b"a"].items():
            partner = sides[b"b"].pop(key, None)
            if partner is None:
                alone.append(path)
            else:
                A.append(path)
                B.append(partner)
        alone += sides[b"b"].values()
        if max(len(A), len(whole)) >= limit:
            break
    end = None if limit == float("inf") else int(limit)
    if not (A or alone):
        return PairsFound(Paths.of_names(whole[:end]), None, _passed_over(len(whole), others, shards))
    return PairsFound(Paths.of_names(A[:end]), Paths.of_names(B[:end]),
                      _lonely(alone + whole, len(A)) + _passed_over(2 * len(A), others, shards))


def indexed(shards: Sequence[Path]) -> Iterator[tuple[Path, Index]]:
    """The shards, each with its index. Those without one are read, by several processes, as far as they are asked for;
    shows how far it is when that takes more than two seconds.

    Raises BrokenShard, MachineError when a process dies.
    """
    processes = min(len(shards), max(1, (os.cpu_count() or 1) // local_world_size()))
    waiting = deque[tuple[Path, Index | Future[Index]]]()
    with ExitStack() as stack, tqdm(total=len(shards), desc="indexing", leave=False, unit=" shards", delay=2,
                                    disable=None) as bar:
        pool = None

        def first() -> tuple[Path, Index]:
            shard, index = waiting.popleft()
            if isinstance(index, Future):
                index = index.result()
                remember(shard, index)
            bar.update()
            return shard, index

        index: Index | Future[Index] | None
        for shard, index in zip(shards, _known(shards), strict=True):
            if index is None and processes > 1:
                pool = pool or stack.enter_context(looking_processes(processes, "a smaller --num_threads needs less"))
                index = pool.submit(scan, shard)
            elif index is None:
                index = scan(shard)
                remember(shard, index)
            waiting.append((shard, index))
            if pool is None or len(waiting) > 2 * processes:
                yield first()
        while waiting:
            yield first()


def _known(shards: Sequence[Path]) -> Iterator[Index | None]:
    """The index of each shard, if there is one; servers are asked for that of several at once."""
    if not any(map(is_remote, shards)):
        yield from map(known, shards)
        return
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        for begin in range(0, len(shards), ASKED_AT_ONCE):
            yield from pool.map(known, shards[begin:begin + ASKED_AT_ONCE])


def _sort_out(shard: Path, index: Index, images: list[bytes], others: list[bytes]) -> None:
    """Add the paths of the images in a shard to the ones, those of other files to the others."""
    above = os.fsencode(shard) + SEP
    for name in index.names():
        (images if _is_image(name) else others).append(above + (name if SEP == b"/" else name.replace(b"/", SEP)))


def _is_image(name: bytes) -> bool:
    return name[name.rfind(b"."):].lower() in _ENDINGS or name[-7:].lower() == b".nii.gz"


def part_of(path: bytes) -> tuple[bytes, bytes]:
    """'a/town.a.png' to 'a/town' and b'a'; the path and nothing where it is not part of a sample."""
    end = len(path) - 7 if path[-7:].lower() == b".nii.gz" else path.rfind(b".")
    side = path[end - 2:end].lower()
    return (path[:end - 2], side[1:]) if side in (b".a", b".b") and path[end - 3:end - 2] != SEP else (path, b"")


def _passed_over(found: int, others: Sequence[bytes], shards: Sequence[Path]) -> list[str]:
    if not (others and found):
        return []
    return [f"note: {len(others)} of {found + len(others)} files in {_called(shards)} were passed over: "
            f"{endings_of(map(os.fsdecode, others))}; read are {' '.join(IMAGE_ENDINGS)}"]


def _lonely(alone: Sequence[bytes], pairs: int) -> list[str]:
    """A notice about images that belong to no pair, if there are any. UserError where there is no pair."""
    if not alone:
        return []
    listed = "\n".join(f"  {os.fsdecode(path)}" for path in alone[:SHOWN]) + ("\n  ..." if len(alone) > SHOWN else "")
    told = f"{len(alone)} images have no partner in their shard (KEY.a.png and KEY.b.png are a pair):\n{listed}"
    if not pairs:
        raise UserError(f"{told}\nNo pair is left. Put both files of a pair into one shard, or train without pairs: "
                        "--model cycle_gan")
    return [f"note: {told}\nThe {pairs} pairs are used."]


def _called(shards: Sequence[Path]) -> str:
    return str(shards[0]) if len(shards) == 1 else f"the {len(shards)} shards from {shards[0]} on"
