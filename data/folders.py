"""Finding images in folders, and saying what was found when they are not where they should be."""
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from options.schema import did_you_mean
from util.errors import UserError
from util.names import split_ending

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff", ".webp", ".gif", ".avif", ".bmp",
                 ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpf", ".jpx", ".tga", ".pcx", ".qoi", ".npy",
                 ".npz", ".dcm", ".nii", ".nii.gz")
PHASES = ("val", "test", "train")
Tree = tuple[Path, str]
"""A --dataroot and a --phase."""


class NoImages(UserError):
    """There are no images where a dataset looks for them."""


def list_images(folder: Path, limit: float = float("inf")) -> list[Path]:
    """The images in `folder` and below it, in natural order (2.jpg before 10.jpg), at most `limit`.

    Endings count in any case, symbolic links are followed, hidden files are left out. A missing folder is empty.
    """
    return look_through(folder, limit)[0]


def look_through(folder: Path, limit: float = float("inf")) -> tuple[list[Path], list[str]]:
    """What `list_images` finds, and a notice about the files with other endings, if there are any."""
    files = [path for path in _walk(folder) if not path.name.startswith(".")]
    found = sorted(filter(is_image, files), key=lambda path: natural_key(path, folder))
    others = _endings(path.name for path in files if not is_image(path))
    notices = [f"note: {len(files) - len(found)} of {len(files)} files in {folder} were passed over: {others}; read "
               f"are {' '.join(IMAGE_ENDINGS)}"] if others and found else []
    return (found if limit == float("inf") else found[:int(limit)]), notices


def _endings(names: Iterable[str]) -> str:
    """How many of the names have which ending: '4 .txt, 2 .heic'."""
    counts = Counter(split_ending(name)[1].lower() or "without ending" for name in names)
    return ", ".join(f"{count} {ending}" for ending, count in counts.most_common())


def sides_inside(folder: Path) -> list[Path | None]:
    """The folders A and B in `folder`, in any case; None for one that is not there."""
    inside = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()} if folder.is_dir() else {}
    return [next((path for name, path in inside.items() if name.upper() == side), None) for side in "AB"]


def is_image(path: Path) -> bool:
    """Whether the file's name is that of an image."""
    return split_ending(path.name)[1].lower() in IMAGE_ENDINGS and not path.name.startswith(".")


def natural_key(path: Path, folder: Path) -> list[tuple[int, str]]:
    """Sorts numbers in names by their value."""
    name = path.relative_to(folder).as_posix()
    words = re.split(r"(\d+)", name.lower())
    return [(int(word), word) if word.isdecimal() else (0, word) for word in words] + [(0, name)]


def _walk(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above or not os.path.isdir(real):  # a link that leads back up; a missing folder
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()  # a link to itself is none
            if not is_folder:
                yield Path(entry.path)
            elif not entry.name.startswith("."):
                yield from _walk(Path(entry.path), (*above, real))


def require_images(dataroot: str, images: list[Path], expected: str, hint: str = "") -> None:
    """NoImages that shows the tree found and the one expected, when there are no `images`."""
    if images:
        return
    root = Path(dataroot)
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
        others = [name for name in shown if not is_image(Path(name))]
        counts = ([f"{len(shown) - len(others)} images"] if len(shown) > len(others) else []) + (
            [f"not read: {_endings(others)}"] if others else [])
        lines.append(f"  {'  ' * depth}{Path(here).name or here}/  {', '.join(counts) or 'no files'}")
        if len(lines) == 30:
            lines.append("  ...")
            break
    return "\n".join(lines)


def other_trees(root: Path, phase: str) -> list[Tree]:
    """Where the images may be when they are not in `phase` of `root`: another phase, a level deeper, a level higher."""
    inside = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    named = {_phase(path.name) for path in inside} - {phase, ""}
    root = root.absolute()
    trees = [(root, known) for known in PHASES if known in named] + [(path.absolute(), phase) for path in inside[:20]]
    above = root if _phase(root.name) else root.parent  # of folders A and B
    if _phase(above.name) in (*PHASES, phase):
        trees += [(above.parent, phase), (above.parent, _phase(above.name))]
    return trees + [(root, other) for other in sorted(named.difference(PHASES))]


def _phase(folder: str) -> str:
    """'train' for train, trainA and trainB; '' for A and B."""
    return folder[:-1] if folder.endswith(("A", "B")) else folder
