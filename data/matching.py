"""Which images of two folders belong together: those of the same name."""
from dataclasses import dataclass, field
from pathlib import Path

from data.folders import look_through
from data.pages import chosen_pages
from util.errors import UserError
from util.names import without_ending

SHOWN = 20  # images without a partner that are listed


@dataclass(frozen=True)
class Named:
    """The images of a folder by name: their path in it without the ending. notices: files passed over."""

    folder: Path
    images: dict[Path, list[Path]]
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Matched:
    """Images of one name, of A and of B, and those without a partner; lonely: what is to be said of these, or ''."""

    pairs: list[tuple[Path, Path]]
    alone_A: list[Path]
    alone_B: list[Path]
    lonely: str


def by_name(folder: Path, page: str = "1") -> Named:
    """The images of each name, subfolders included and endings aside, in natural order. page: as --page chooses."""
    files, notices = look_through(folder)
    images, chosen = chosen_pages(files, page)
    named: dict[Path, list[Path]] = {}
    for path in images:
        named.setdefault(without_ending(path.relative_to(folder)), []).append(path)
    return Named(folder, named, notices + chosen)


def match_by_name(A: Named, B: Named) -> Matched:
    """Pairs of images with the same name; where several files share a name, those with the same ending.

    Raises UserError when their endings leave open which belong together.
    """
    pairs = [pair for name in A.images if name in B.images for pair in _partners(A.images[name], B.images[name])]
    paired = {path for pair in pairs for path in pair}
    alone_A, alone_B = ([path for paths in side.images.values() for path in paths if path not in paired]
                        for side in (A, B))
    alone = alone_A + alone_B
    listed = "\n".join(f"  {path}" for path in alone[:SHOWN]) + ("\n  ..." if len(alone) > SHOWN else "")
    lonely = f"{len(alone)} images in {A.folder} and {B.folder} have no partner of the same name:\n{listed}"
    return Matched(pairs, alone_A, alone_B, lonely if alone else "")


def _partners(sides_A: list[Path], sides_B: list[Path]) -> list[tuple[Path, Path]]:
    """The pairs among images of one name."""
    if len(sides_A) == len(sides_B) == 1:
        return [(sides_A[0], sides_B[0])]
    pairs = [(path_A, path_B) for path_A in sides_A for path_B in sides_B if path_A.suffix == path_B.suffix]
    if not pairs:
        found = " and ".join(", ".join(map(str, side)) for side in (sides_A, sides_B))
        raise UserError(f"it is not clear which of these are a pair: {found}; leave one on each side, or give both "
                        "sides the same endings")
    return pairs
