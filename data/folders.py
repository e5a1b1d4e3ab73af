"""Finding images in folders, and saying what was found when they are not where they should be."""
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from util.errors import UserError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp")


def list_images(folder: Path, limit: float = float("inf")) -> list[Path]:
    """The images in `folder` and below it, in natural order (2.jpg before 10.jpg), at most `limit`.

    Endings count in any case, symbolic links are followed, hidden files are left out. A missing folder is empty.
    """
    found = sorted((path for path in _walk(folder) if is_image(path)), key=lambda path: natural_key(path, folder))
    return found if limit == float("inf") else found[:int(limit)]


def is_image(path: Path) -> bool:
    """Whether the file's name is that of an image."""
    return path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".")


def natural_key(path: Path, folder: Path) -> list:
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
    """UserError that shows the tree found and the one expected, when there are no `images`."""
    if images:
        return
    root = Path(dataroot)
    if not root.exists():
        siblings = sorted(p.name for p in root.absolute().parent.glob("*/")) if root.absolute().parent.is_dir() else []
        beside = f"; beside it there are: {', '.join(siblings[:12])}" if siblings else ""
        raise UserError(f"--dataroot {dataroot} does not exist{beside}.\nexpected:\n{expected}")
    raise UserError(f"no images for this dataset in --dataroot {dataroot}.\n"
                    f"found:\n{describe_tree(root)}\nexpected:\n{expected}{hint}")


def describe_tree(root: Path) -> str:
    """The folders below `root`, two levels deep, and how many images and other files lie in each."""
    if root.is_file():
        return f"  {root} (one file)"
    lines = []
    for here, folders, files in os.walk(root, followlinks=True):
        depth = len(Path(here).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if depth < 2 and not name.startswith("."))
        kinds = Counter("images" if is_image(Path(name)) else "other files" for name in files)
        counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("images", "other files") if kinds[kind]) or "no files"
        lines.append(f"  {'  ' * depth}{Path(here).name or here}/  {counts}")
        if len(lines) == 30:
            lines.append("  ...")
            break
    return "\n".join(lines)
