"""Finding images in folders, and saying what was found when they are not where they should be."""
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from data.paths import Paths
from options.schema import did_you_mean
from shards.index import ENDING as INDEX
from shards.names import TAR, is_pattern, is_remote, sets_in
from util.errors import UserError
from util.names import split_ending

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff", ".webp", ".gif", ".avif", ".bmp",
                 ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpf", ".jpx", ".tga", ".pcx", ".qoi", ".npy",
                 ".npz", ".dcm", ".nii", ".nii.gz")
PHASES = ("val", "test", "train")
_ENDINGS, _NUMBER = frozenset(IMAGE_ENDINGS), re.compile(r"\d+")
Tree = tuple[Path, str]
"""A --dataroot and a --phase."""


class NoImages(UserError):
    """There are no images where a dataset looks for them."""


def list_images(folder: Path, limit: float = float("inf")) -> list[Path]:
    """The images in `folder` and below it, in natural order (2.jpg before 10.jpg), at most `limit`.

    Endings count in any case, symbolic links are followed, hidden files are left out. A missing folder is empty.
    """
    return list(look_through(folder, limit)[0])


def look_through(folder: Path, limit: float = float("inf")) -> tuple[Paths, list[str]]:
    """What `list_images` finds, and a notice about the files with other endings, if there are any."""
    found: list[str] = []  # as they are called in the folder
    others: list[str] = []
    for name in _walk(folder):
        (found if _has_ending(name) else others).append(name)
    found.sort(key=_natural)
    count = len(found) + len(others)
    notices = [f"note: {len(others)} of {count} files in {folder} were passed over: {endings_of(others)}; read are "
               f"{' '.join(IMAGE_ENDINGS)}"] if others and found else []
    before = "" if folder == Path() else os.path.join(folder, "")
    chosen = found if limit == float("inf") else found[:int(limit)]
    return Paths.of([before + name for name in chosen] if os.sep == "/" else
                    [before + name.replace("/", os.sep) for name in chosen]), notices


def endings_of(names: Iterable[str]) -> str:
    """How many of the names have which ending: '4 .txt, 2 .heic'."""
    counts = Counter(split_ending(name)[1].lower() or "without ending" for name in names)
    return ", ".join(f"{count} {ending}" for ending, count in counts.most_common())


def sides_inside(folder: Path) -> list[Path | None]:
    """The folders A and B in `folder`, in any case; None for one that is not there."""
    inside = {path.name: path for path in folders_in(folder)}
    return [next((path for name, path in inside.items() if name.upper() == side), None) for side in "AB"]


def folders_in(folder: Path) -> list[Path]:
    """The folders in `folder`, sorted; none where it is missing."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir())


def tops(paths: Paths, folder: Path) -> set[str]:
    """What of the way to these files lies at the top of the folder: folders, and the files in none."""
    above = os.path.join(folder, "") if folder != Path() else ""
    begin, sep = len(os.fsencode(above)), os.fsencode(os.sep)
    return {os.fsdecode(name) for name in {name[begin:].split(sep, 1)[0] for name in paths.names()}}


def is_image(path: Path) -> bool:
    """Whether the file's name is that of an image."""
    return _has_ending(path.name) and not path.name.startswith(".")


def _has_ending(name: str) -> bool:
    return name[name.rfind("."):].lower() in _ENDINGS or split_ending(name)[1].lower() in _ENDINGS


def natural_key(path: Path, folder: Path) -> str:
    """Sorts numbers in names by their value."""
    return _natural(path.relative_to(folder).as_posix())


def _natural(name: str) -> str:
    """Sorts as the words in the name do one after the other, numbers by their value and then as they are written; at
    last as the name with its capitals does. One string, which is compared faster than a list.

    No name has \\0 in it, so that with it behind each word the shorter of two is the smaller one. A number begins with
    how long it is.
    """
    return f"{_NUMBER.sub(_number, name.lower())}\0\1{name}\0"


def _number(match: re.Match[str]) -> str:
    word = match[0]
    value = (word if word.isascii() else str(int(word))).lstrip("0")
    return f"\0{chr(1 + len(value))}{value}{word}\0"


def _walk(folder: Path | str, below: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """The files that are not hidden, as they are called in the first folder: 'a/1.png'. below: 'a/'."""
    real = os.path.realpath(folder)
    if real in above or not os.path.isdir(real):  # a link that leads back up; a missing folder
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            is_folder = os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()  # a link to itself is none
            if is_folder:
                yield from _walk(entry.path, f"{below}{entry.name}/", (*above, real))
            else:
                yield below + entry.name


def require_images(dataroot: str, images: Sequence[Path], expected: str, hint: str = "") -> None:
    """NoImages that shows the tree found and the one expected, when there are no `images`."""
    if images:
        return
    root = Path(dataroot)
    if is_pattern(dataroot) or is_remote(root):
        raise NoImages(f"no images for this dataset in the shards {dataroot}.\nread are {' '.join(IMAGE_ENDINGS)}\n"
                       f"expected:\n{expected}{hint}")
    if not root.exists():
        siblings = sorted(p.name for p in root.absolute().parent.glob("*/")) if root.absolute().parent.is_dir() else []
        near = did_you_mean(root.name, siblings)
        beside = f"; beside it there are: {', '.join(siblings[:12])}{near}" if siblings else ""
        raise NoImages(f"--dataroot {dataroot} does not exist{beside}.\nexpected:\n{expected}")
    tree = describe_tree(root)
    readable = f"\nread are {' '.join(IMAGE_ENDINGS)}" if "not read: " in tree else ""
    raise NoImages(f"no images for this dataset in --dataroot {dataroot}.\n"
                    f"found:\n{tree}{readable}\nexpected:\n{expected}{hint}")


def describe_tree(root: Path) -> str:
    """The folders below `root`, two levels deep, and how many images and other files lie in each."""
    if root.is_file():
        return f"  {root} (one file)"
    lines = []
    for here, folders, files in os.walk(root, followlinks=True):
        depth = len(Path(here).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if depth < 2 and not name.startswith("."))
        shown = [name for name in files if not name.startswith(".")]
        sets = ", ".join(sorted(sets_in(Path(here)))[:8])
        tars = [name for name in shown if name.lower().endswith(TAR)]
        others = [name for name in shown if not is_image(Path(name)) and not name.lower().endswith((TAR, INDEX))]
        images = len([name for name in shown if is_image(Path(name))])
        counts = ([f"{images} images"] * bool(images) + [f"{len(tars)} shards called {sets}"] * bool(tars)
                  + [f"not read: {endings_of(others)}"] * bool(others))
        lines.append(f"  {'  ' * depth}{Path(here).name or here}/  {', '.join(counts) or 'no files'}")
        if len(lines) == 30:
            lines.append("  ...")
            break
    return "\n".join(lines)


def other_trees(root: Path, phase: str) -> list[Tree]:
    """Where the images may be when they are not in `phase` of `root`: another phase, a level deeper, a level higher."""
    inside = folders_in(root)
    named = {_phase(name) for name in (*(path.name for path in inside), *sets_in(root))} - {phase, ""}
    root = root.absolute()
    trees = [(root, known) for known in PHASES if known in named] + [(path.absolute(), phase) for path in inside[:20]]
    above = root if _phase(root.name) else root.parent  # of folders A and B
    if _phase(above.name) in (*PHASES, phase):
        trees += [(above.parent, phase), (above.parent, _phase(above.name))]
    return trees + [(root, other) for other in sorted(named.difference(PHASES))]


def _phase(folder: str) -> str:
    """'train' for train, trainA and trainB; '' for A and B."""
    return folder[:-1] if folder.endswith(("A", "B")) else folder
