"""Which real picture meets which fake one in a study: drawn at random by a seed."""
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.study_pictures import Picture
from util.errors import UserError

Pair = tuple[Picture, Picture]
"""A real picture and a fake one."""


@dataclass(frozen=True)
class Pairs:
    """Of one method: those of the practice, and those that count."""

    practice: Sequence[Pair]
    trials: Sequence[Pair]

    @property
    def all(self) -> list[Pair]:
        """The practice, then the trials."""
        return [*self.practice, *self.trials]


def draw_pairs(reals: Sequence[Picture], fakes: Sequence[Picture], practice: int, trials: int, same_input: bool,
               seed: int) -> Pairs:
    """Pairs for the practice and for the trials that count, drawn at random by the seed.

    The pictures of the practice are not those of the trials, as long as there are two. Where there are fewer pictures
    than pairs, all are used equally often, with other partners. The same seed draws the same inputs for all methods.
    same_input: whether both pictures of a pair have one input (UserError when there is no such pair), or different
    ones, which is harder to tell (pix2pix, section 4.1).
    """
    if same_input:
        inputs = {real.input for real in reals}
        fakes = [fake for fake in fakes if fake.input in inputs]
        reals = _same(reals, fakes)
        if not fakes:
            raise UserError("--same_input finds no real and fake pictures of equal names; leave it out, or give them "
                            "the same names")
    early_reals, late_reals = _split(reals, practice, trials, seed)
    early_fakes, late_fakes = _split(fakes, practice, trials, seed)
    return Pairs(_pair(early_reals, early_fakes, practice, same_input),
                 _pair(late_reals, late_fakes, trials, same_input))


def _split(pictures: Sequence[Picture], practice: int, trials: int, seed: int) -> tuple[list[Picture], list[Picture]]:
    """A random choice for the practice and one for the trials, at most as many as there are pairs.

    The order depends on the input alone, so that all methods and the real pictures meet in the same inputs.
    """
    order = sorted(pictures, key=lambda picture: random.Random(os.fsencode(f"{seed} {picture.input}")).random())
    chosen = order[:practice + trials]
    if len(chosen) < 2 or not practice or not trials:
        return chosen, chosen
    share = min(max(round(len(chosen) * practice / (practice + trials)), 1), len(chosen) - 1)
    return chosen[:share], chosen[share:]


def _pair(reals: Sequence[Picture], fakes: Sequence[Picture], count: int, same_input: bool) -> list[Pair]:
    """`count` pairs, in rounds through the fakes."""
    pairs: list[Pair] = []
    for start in range(0, count, len(fakes)):
        part = fakes[:count - start]
        shift = start + start // len(fakes) + 1
        pairs += zip(_same(reals, part) if same_input else _others(reals, part, shift), part, strict=True)
    return pairs


def _same(reals: Sequence[Picture], fakes: Sequence[Picture]) -> list[Picture]:
    """The real picture of each fake one's input."""
    by_input = {real.input: real for real in reals}
    return [by_input[fake.input] for fake in fakes]


def _others(reals: Sequence[Picture], fakes: Sequence[Picture], shift: int) -> list[Picture]:
    """A real picture for each fake one, of another input: those that stand `shift` places later, or so much more that
    the fewest meet their own input."""
    rotations = ([reals[(place + shift + more) % len(reals)] for place in range(len(fakes))]
                 for more in range(len(reals)))
    return min(rotations, key=lambda partners: sum(
        real.input == fake.input for real, fake in zip(partners, fakes, strict=True)))


def shortage(pairs: Pairs) -> str:
    """How often pictures are shown again; empty when none is."""
    reals, fakes = (Counter(pair[side] for pair in pairs.all) for side in (0, 1))
    if min(len(reals), len(fakes)) == len(pairs.all):
        return ""
    most = max((reals + fakes).values())
    return (f"{len(fakes)} fake and {len(reals)} real pictures for {len(pairs.all)} pairs: some are shown again, up to "
            f"{most} times")
