"""What the dataset doctor says: findings, each with what to do next."""
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from data.alike import equal_groups, near_groups, near_pairs
from data.picture_facts import FileFacts, Picture

Severity = Literal["error", "warning", "note"]
DRAWN = 0.45  # median share of flat colours from which a side holds label pictures
CLEAN = 0.05  # share of grain that label pictures have at most; smoothed edges leave 0.02, JPEG 0.12 and more
LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF")
FEWEST_PAIRS = 16  # from which pairs are compared with each other


@dataclass(frozen=True)
class Finding:
    """error: a training would not start; warning: it would learn, or be measured, worse than it could; note: to know.

    kind: one word for programs; text: what was found; advice: what to do next; files: those it is about, in groups
    that belong together (the copies of one image).
    """

    severity: Severity
    kind: str
    text: str
    advice: str = ""
    files: tuple[tuple[Path, ...], ...] = ()


class Sample(NamedTuple):
    """An image of one pile, or a pair. side: "A", "B", or "AB" of a pair; facts: of its files, in order."""

    split: str
    side: str
    facts: tuple[FileFacts, ...]
    pictures: tuple[Picture, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(fact.path for fact in self.facts)


def duplicates(samples: Sequence[Sample], near: bool) -> list[Finding]:
    """Samples that are there twice: within a pile, in several splits, in both piles; near: also nearly the same."""
    keys = [tuple(picture.digest for picture in sample.pictures) for sample in samples]
    groups = [[samples[place] for place in group] for group in equal_groups(keys)]
    within = [part for group in groups for part in _parts(group)]
    leaks = [group for group in groups if len({sample.split for sample in group}) > 1]
    crossing = [group for group in groups if len({sample.side for sample in group}) > 1]
    found = [_finding("warning", "leakage", leaks, "the same in several splits: {}",
                      "remove them from all but one: numbers of a test that the training has seen are too good"),
             _finding("warning", "duplicates", within, "several times in one pile: {}",
                      "remove the copies, which the training sees as often as they are there"),
             _finding("warning", "both_piles", crossing, "the same in both piles, A and B: {}",
                      "remove them from one: they show the discriminators a fake that is real")]
    if near:
        first = [group[0] for group in _piles_by_key(samples, keys)]
        found += _near(first, {sample.files for group in leaks for sample in group})
    return [finding for finding in found if finding]


def half_duplicates(samples: Sequence[Sample]) -> list[Finding]:
    """Pairs that share one side and differ in the other."""
    pairs = [sample for sample in samples if len(sample.pictures) == 2]
    found = []
    advice = ("keep one of each: of several answers to one input a network learns the mean",
              "look at them: fine where a label picture is the same for both, else one of them has a wrong partner")
    for side, other in ((0, 1), (1, 0)):
        groups = [[pairs[place] for place in group]
                  for group in equal_groups(pair.pictures[side].digest for pair in pairs)]
        unlike = [group for group in groups if len({pair.pictures[other].digest for pair in group}) > 1]
        found.append(_finding(
            "warning", f"same_{'AB'[side]}", unlike,
            f"one {'AB'[side]} beside several different {'BA'[side]}: " + "{}", advice[side]))
    return [finding for finding in found if finding]


def _near(samples: Sequence[Sample], told: set[tuple[Path, ...]]) -> list[Finding | None]:
    """Samples, all different, that look alike within a pile or between splits; `told`: leaks that are known."""
    piles: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        piles.setdefault((sample.split, sample.side), []).append(sample)
    groups = [[pile[place] for place in group] for pile in piles.values()
              for group in near_groups([sample.pictures for sample in pile])]
    leaks = []
    for (split, side), pile in piles.items():
        if split != "train" and (training := piles.get(("train", side))):
            fresh = [sample for sample in pile if sample.files not in told]
            leaks += [[fresh[here], training[there]] for here, there in near_pairs(
                [sample.pictures for sample in fresh], [sample.pictures for sample in training])]
    return [_finding("warning", "near_leakage", leaks, "nearly the same in train and in another split: {}",
                     "look at them; if they show the same scene, move them to one split"),
            _finding("note", "near_duplicates", groups, "several times in one pile, in nearly the same form: {}",
                     "look at them: crops, recompressed copies or frames of one film teach little new")]


def _parts(group: Sequence[Sample]) -> list[list[Sample]]:
    """The samples of a group by pile and split, where there are several."""
    parts: dict[tuple[str, str], list[Sample]] = {}
    for sample in group:
        parts.setdefault((sample.split, sample.side), []).append(sample)
    return [part for part in parts.values() if len(part) > 1]


def _piles_by_key(samples: Sequence[Sample], keys: Sequence[object]) -> list[list[Sample]]:
    """The samples of each pile, those with equal keys together."""
    groups: dict[object, list[Sample]] = {}
    for sample, key in zip(samples, keys, strict=True):
        groups.setdefault((sample.split, sample.side, key), []).append(sample)
    return list(groups.values())


def _finding(severity: Severity, kind: str, groups: Sequence[Sequence[Sample]], text: str, advice: str
             ) -> Finding | None:
    if not groups:
        return None
    paired = any(len(sample.pictures) == 2 for group in groups for sample in group)
    counted = f"{len(groups)} {'pair' if paired else 'image'}{'s' * (len(groups) > 1)}"
    files = tuple(tuple(path for sample in group for path in sample.files) for group in groups)
    return Finding(severity, kind, text.format(counted), advice, files)


def odd_pairs(samples: Sequence[Sample]) -> list[Finding]:
    """Hints at pairs whose sides differ in size, lie the wrong way round or do not belong together."""
    pairs = [sample for sample in samples if len(sample.pictures) == 2]
    unequal = [pair for pair in pairs if pair.pictures[0].size != pair.pictures[1].size]
    found = [_finding("warning", "pair_sizes", [[pair] for pair in unequal], "sides of different sizes: {}",
                      "bring both sides to one size, if they are not the same view: they are scaled to one")]
    if len(pairs) >= FEWEST_PAIRS:
        swapped = swapped_pairs(pairs)
        found += [_finding("warning", "swapped", [[pair] for pair in swapped],
                           "A and B swapped, as it seems, since A looks like the B of the others: {}",
                           "look at them; swap the sides if so"),
                  _finding("warning", "unrelated", [[pair] for pair in unrelated_pairs(pairs)],
                           "sides that do not seem to belong together, while those of the others do: {}",
                           "look at them; a wrong partner teaches a wrong answer")]
    return [finding for finding in found if finding]


def swapped_pairs(pairs: Sequence[Sample]) -> list[Sample]:
    """Pairs whose difference A - B in colour, contrast and flatness is nearer to the others' B - A.

    Nothing where the two sides of most pairs are too alike to tell.
    """
    differences = np.array([_looks(pair.pictures[0]) - _looks(pair.pictures[1]) for pair in pairs])
    usual = np.median(differences, 0)
    spread = np.median(np.abs(differences - usual), 0) + 0.02
    kept = (differences - usual) / spread, (differences + usual) / spread
    right, wrong = (np.linalg.norm(distance, axis=1) for distance in kept)
    if np.median(right) * 2 > np.median(wrong):
        return []
    return [pair for pair, far, near in zip(pairs, right, wrong, strict=True) if 2 * near < far]


def unrelated_pairs(pairs: Sequence[Sample]) -> list[Sample]:
    """Pairs whose outlines agree no better than those of strangers, where those of most pairs clearly do."""
    edges = [np.array([pair.pictures[side].edges.ravel() for pair in pairs], np.float32) for side in (0, 1)]
    A, B = ((side - side.mean(1, keepdims=True)) / (side.std(1, keepdims=True) + 1e-6) for side in edges)
    own = (A * B).mean(1)  # correlations
    strangers = np.concatenate([(A * np.roll(B, step, 0)).mean(1) for step in (1, 2, 3)])
    lower, upper = np.percentile(own, (25, 75))
    if lower < np.percentile(strangers, 99):
        return []
    limit = min(float(np.percentile(strangers, 90)), lower - 1.5 * (upper - lower))  # Tukey's fence
    flat = [any(picture.flat for picture in pair.pictures) for pair in pairs]
    return [pair for pair, value, blank in zip(pairs, own, flat, strict=True) if value < limit and not blank]


def _looks(picture: Picture) -> np.ndarray:
    """What tells a photo from a label picture: mean colour, contrast, flat colours; each of about 0 to 1."""
    pixels = picture.thumb.astype(np.float32) / 255
    return np.array([*pixels.mean((0, 1)), *pixels.std((0, 1)), picture.edges.mean() / 64, picture.drawn])


def of_a_side(name: str, facts: Sequence[FileFacts], pictures: Sequence[Picture]) -> list[Finding]:
    """What is odd among the images of one side, of all splits. pictures: one of each of the files."""
    found = []
    gray = [fact.path for fact, picture in zip(facts, pictures, strict=True)
            if picture.gray and fact.look.channels - fact.look.alpha in (1, 3)]  # views of other bands may be gray
    if 0 < len(gray) < len(facts):
        few = len(gray) <= len(facts) / 2
        odd = gray if few else [fact.path for fact in facts if fact.path not in set(gray)]
        found.append(Finding(
            "warning", "gray_among_colour", f"{len(gray)} of {len(facts)} images of {name} are gray, the others in "
            "colour", f"look at the {'gray' if few else 'coloured'} ones, and remove those that do not belong",
            tuple((path,) for path in odd)))
    elif gray:
        found.append(Finding("note", "all_gray", f"all images of {name} are gray", "--input_nc 1 (--output_nc 1 of "
                             "the target) reads them so: no colours that nobody asked for"))
    deep = all(fact.look.dtype != np.uint8 for fact in facts)  # the noise of a sensor, where JPEG has 8 bits
    if not deep and np.median([picture.drawn for picture in pictures]) >= DRAWN:
        noisy = [fact for fact, picture in zip(facts, pictures, strict=True) if picture.grain > CLEAN]
        lossy = sorted({fact.format for fact in facts} & set(LOSSY))
        if 2 * len(noisy) > len(facts) or lossy:
            saved = f", saved as {' and '.join(lossy)}" if lossy else ""
            found.append(Finding(
                "warning", "noisy_labels", f"the images of {name} look like label pictures of few colours{saved}; "
                f"{len(noisy)} of {len(facts)} have noise in their flat areas, as JPEG leaves it",
                "take the originals, saved as PNG, if you can; where they are measured, give --palette, which takes "
                "the nearest colour"))
    modes = Counter(fact.mode for fact in facts)
    if len(modes) > 1:
        found.append(Finding("note", "mixed_modes", f"the images of {name} are stored in several ways: "
                             f"{in_words(modes)}", "all are read alike; see that they look alike on the page"))
    if transparent := [fact.path for fact in facts if fact.transparent]:
        found.append(Finding("note", "transparent", f"{len(transparent)} images of {name} have transparency",
                             "transparent pixels are laid over white; save them over another colour if that is wrong",
                             tuple((path,) for path in transparent)))
    return found


def in_words(counts: Counter[str], most: int = 5) -> str:
    """'256x256 (400), 300x200 (12), and 3 others'."""
    shown = ", ".join(f"{value} ({count})" for value, count in counts.most_common(most))
    return shown + (f", and {len(counts) - most} others" if len(counts) > most else "")
