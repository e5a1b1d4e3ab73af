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
    words = re.split(r"(\d+)", path.relative_to(folder).as_posix().lower())
    return [(int(word), word) if word.isdigit() else (0, word) for word in words] + [(0, path.name)]


def _walk(folder: Path) -> Iterator[Path]:
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(here, name) for name in files)


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
        folders.sort()
        if depth >= 2:
            folders.clear()
        kinds = Counter("images" if is_image(Path(name)) else "other files" for name in files)
        counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("images", "other files") if kinds[kind]) or "no files"
        lines.append(f"  {'  ' * depth}{Path(here).name or here}/  {counts}")
        if len(lines) == 30:
            lines.append("  ...")
            break
    return "\n".join(lines)
