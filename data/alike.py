"""Images that are the same, or nearly, among many: no comparison of each with each in Python."""
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from data.picture_facts import HASH_BITS, Picture

NEAR_BITS = 4  # of the HASH_BITS of an image, on average of a pair
NEAR_LEVELS = 8  # mean difference of thumbnails: unlike images whose hashes are near by chance differ by more
ROWS, COLUMNS = 1024, 16384  # of a block of comparisons: 64 MiB

Unit = Sequence[Picture]
"""What is compared as a whole: an image, or the two of a pair."""


def equal_groups(keys: Iterable[Hashable]) -> list[list[int]]:
    """The positions of each key that occurs several times."""
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def near_groups(units: Sequence[Unit]) -> list[list[int]]:
    """Positions of units that look alike: each is joined with the nearest one before it, if that is near."""
    kept = _with_content(units)
    codes = _codes([units[place] for place in kept])
    roots = list(range(len(units)))
    for here, there in enumerate(_nearest(codes, codes, earlier=True)):
        if there >= 0 and _near(units[kept[here]], units[kept[there]]):
            roots[kept[here]] = roots[kept[there]]  # that of an earlier one is final
    return equal_groups(roots)


def near_pairs(units: Sequence[Unit], among: Sequence[Unit]) -> list[tuple[int, int]]:
    """(position in units, position in among) of each unit that looks like one of the others, and the nearest of them.
    """
    kept, others = _with_content(units), _with_content(among)
    found = _nearest(_codes([units[place] for place in kept]), _codes([among[place] for place in others]))
    return [(here, others[there]) for here, there in zip(kept, found, strict=True)
            if there >= 0 and _near(units[here], among[others[there]])]


def _with_content(units: Sequence[Unit]) -> list[int]:
    return [place for place, unit in enumerate(units) if not all(picture.flat for picture in unit)]


def _codes(units: Sequence[Unit]) -> np.ndarray:
    """float32 (units, pictures * HASH_BITS) of -1 and 1, whose products count the bits that agree."""
    if not units:
        return np.empty((0, HASH_BITS), np.float32)
    bits = np.array([np.concatenate([picture.code | picture.flat for picture in unit]) for unit in units])
    return bits.astype(np.float32) * 2 - 1


def _nearest(codes: np.ndarray, among: np.ndarray, earlier: bool = False) -> list[int]:
    """For each code the position of the nearest of the others, -1 where none is within NEAR_BITS an image.

    earlier: `among` is the same list, and only those before each code count. Blocks of matrix products: quadratic,
    but 10**10 comparisons take a BLAS some seconds.
    """
    least = codes.shape[1] - 2 * NEAR_BITS * (codes.shape[1] // HASH_BITS)  # product of two near codes
    result = np.full(len(codes), -1)
    for top in range(0, len(codes), ROWS):
        rows = codes[top:top + ROWS]
        best, where = np.full(len(rows), -np.inf, np.float32), np.full(len(rows), -1)
        for left in range(0, min(len(among), top + len(rows)) if earlier else len(among), COLUMNS):
            products = rows @ among[left:left + COLUMNS].T
            if earlier and left + products.shape[1] > top:
                later = np.arange(left, left + products.shape[1]) >= np.arange(top, top + len(rows))[:, None]
                products[later] = -np.inf
            column = products.argmax(1)
            value = products[np.arange(len(rows)), column]
            better = value > best
            best[better], where[better] = value[better], left + column[better]
        result[top:top + ROWS] = np.where(best >= least, where, -1)
    return result.tolist()


def _near(one: Unit, other: Unit) -> bool:
    """Whether two units with near hashes really look alike."""
    return all(np.abs(a.thumb.astype(np.int16) - b.thumb).mean() <= NEAR_LEVELS
               for a, b in zip(one, other, strict=True))
