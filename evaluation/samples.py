"""What is measured: samples, each several pictures, and the directions of translation that they show."""
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from raster.picture import Picture
from raster.value_range import ValueRange
from util.errors import UserError

Sample = tuple[str, Mapping[str, np.ndarray]]
"""Its name, and its pictures by label, such as real_A and fake_B: uint8 (H, W, 3), or those with values of their own:
float32 (H, W, C) in [0, 1], NaN where pixels hold no data; C is not 1, since gray is repeated to RGB."""


@dataclass(frozen=True)
class Direction:
    """One direction of translation. name: the label of its fakes, such as fake_B; arrow: such as A->B; labels: of its
    pictures by role (see metrics/base_metric.py); paired: whether the real picture is the truth of the fake; bands: of
    the pictures by role, where they are neither gray nor RGB."""

    name: str
    arrow: str
    labels: Mapping[str, str]
    paired: bool
    bands: Mapping[str, int] = field(default_factory=dict)

    def roles(self, pictures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The pictures of a sample that belong to this direction, by role."""
        return {role: pictures[label] for role, label in self.labels.items() if label in pictures}


@dataclass(frozen=True)
class Source:
    """What is measured. result: its name; where: it was found, in words; samples: an iterator where they can be gone
    through only once; notices: what the user should know before; afterwards: what when all samples were seen; folder:
    of results, to which the numbers are added."""

    result: str
    where: str
    directions: Sequence[Direction]
    samples: Iterable[Sample]
    notices: Sequence[str] = ()
    afterwards: Callable[[], list[str]] = list
    folder: Path | None = None


def told_apart(names: Sequence[str], places: Sequence[object]) -> list[str]:
    """The names of results; where several have the same one, the place of each in its stead."""
    uses = Counter(names)
    return [name if uses[name] == 1 else str(place) for name, place in zip(names, places, strict=True)]


def directions(labels: Sequence[str], way: str, paired: bool, channels: Mapping[str, int] | None = None
               ) -> list[Direction]:
    """The directions that pictures of these labels show; none when there is no translation among them.

    way: the --direction of the test, AtoB or BtoA, which says what its real_A is; channels: of the pictures by label,
    where they are not gray or RGB of 8 bits.
    """
    there, back = ("A", "B") if way == "AtoB" else ("B", "A")
    wanted = [
        (f"{there}->{back}", {"source": "real_A", "fake": "fake_B", "real": "real_B", "rec": "rec_A"}),
        (f"{back}->{there}", {"source": "real_B", "fake": "fake_A", "real": "real_A", "rec": "rec_B"}),
        (f"{there}->{back}", {"source": "real", "fake": "fake"}),  # of --model test
    ]
    return [Direction(by_role["fake"], arrow, found, paired, _bands(found, channels or {})) for arrow, by_role in wanted
            if "fake" in (found := dict(_found(by_role, labels)))]


def _bands(labels: Mapping[str, str], channels: Mapping[str, int]) -> dict[str, int]:
    """How many channels the pictures of each role have, where they are neither gray nor RGB. labels: by role."""
    return {role: channels[label] for role, label in labels.items() if channels.get(label, 3) not in (1, 3)}


def in_unit(picture: Picture, values: ValueRange, void: bool) -> np.ndarray:
    """A picture with values of its own as one of a Sample. void: whether it may have pixels without data.

    UserError when others are no numbers.
    """
    unit = (values.to_unit(picture.values) + 1) / 2
    empty = picture.void() if void else None
    if empty is not None:
        unit[empty] = np.nan
    if np.isnan(unit if empty is None else unit[~empty]).any():
        raise UserError("its values are not numbers (NaN), as of a network whose weights are broken; take the weights "
                        "of an earlier epoch")
    return unit.repeat(3, axis=2) if unit.shape[2] == 1 else unit


def _found(wanted: Mapping[str, str], labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The roles whose pictures there are, with their labels; a picture made for the eye has one with _rgb behind."""
    for role, label in wanted.items():
        yield from ((role, shown) for shown in (label, f"{label}_rgb") if shown in labels)
