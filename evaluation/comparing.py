"""The same inputs through several methods: whose results lie where, and which inputs all of them share."""
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evaluation.results import StoredResults, open_results, read_picture
from evaluation.samples import Direction
from pages.pictures import UniqueNames
from util.errors import UserError

FAKES = {"fake_B": ("fake_B", "fake"), "fake_A": ("fake_A",)}  # by direction, what it is called in results
MOST_TOLD = 5  # names in a message


@dataclass(frozen=True)
class Method:
    """The results of one direction of a test, under the title of their column."""

    results: StoredResults
    direction: Direction
    title: str

    @property
    def folder(self) -> Path:
        """Where the results lie."""
        return self.results.folder

    @property
    def names(self) -> Sequence[str]:
        """Of the inputs."""
        return self.results.names

    @property
    def paired(self) -> bool:
        """Whether the truth is known."""
        return self.direction.paired and "real" in self.direction.labels

    def picture(self, name: str, role: str) -> Path:
        """The file of one picture."""
        return self.folder / "images" / f"{name}_{self.direction.labels[role]}.png"


def open_method(folder: Path, fake: str) -> Method:
    """The results in a folder of test.py. fake: one of FAKES. UserError when there are none of this direction."""
    if fake not in FAKES:
        raise UserError(f"--fake {fake!r} is no direction; expected {' or '.join(FAKES)}")
    if not (folder / "names.json").is_file():
        raise UserError(f"{folder} is neither a folder of results nor a run; expected such as results/NAME/test_latest"
                        ", which test.py writes, or checkpoints/NAME; flags of test.py stand behind the folders")
    results = open_results(folder)
    found = {direction.name: direction for direction in results.directions if "source" in direction.labels}
    direction = next((found[name] for name in FAKES[fake] if name in found), None)
    if direction is None:
        raise UserError(f"{folder} holds no {fake} with its input, only {', '.join(found) or 'other pictures'}; --fake "
                        f"chooses the direction: {' or '.join(FAKES)} for all, or one each with commas between")
    return Method(results, direction, results.result)


def with_titles(methods: Sequence[Method], titles: Sequence[str] | None) -> list[Method]:
    """The methods under these titles, or else the names of their runs, with what tells equal ones apart."""
    if titles is None:
        uses = Counter(method.title for method in methods)
        titles = [method.title if uses[method.title] == 1 else f"{method.title} {method.folder.name}"
                  for method in methods]
    elif len(titles) != len(methods):
        raise UserError(f"--titles has {len(titles)} ({', '.join(titles)}) for {len(methods)} folders; give one each, "
                        "with commas between")
    unique = UniqueNames()
    return [replace(method, title=unique(title)) for method, title in zip(methods, titles, strict=True)]


def shared_rows(methods: Sequence[Method]) -> tuple[list[str], list[str]]:
    """The inputs that all methods translated, in the order of the first; and notices of what is left out and why.

    They have the same name and the same source, and the same truth where it is known. Where sizes differ this cannot be
    told, which is a notice. UserError when there is none.
    """
    everywhere = set(methods[0].names).intersection(*(method.names for method in methods))
    candidates = [name for name in methods[0].names if name in everywhere]
    if not candidates:
        raise UserError("the methods have no input in common:\n" + "\n".join(
            f"  {method.folder} has {_some(method.names)}" for method in methods) +
            "\nTranslate the same images with each: test.py with one --dataroot, --phase and --num_test")
    single = list(dict.fromkeys(name for method in methods for name in method.names if name not in everywhere))
    notices = [f"note: left out, since not all methods have them: {_some(single)}"] if single else []

    compared = {name: _compare(methods, name) for name in candidates}
    others = [name for name, same in compared.items() if same == "other pixels"]
    if len(others) == len(candidates):
        raise UserError(f"the methods were given different pictures under the same names ({_some(others)}): compare "
                        f"{methods[0].picture(others[0], 'source')} with that of the others. Translate the same images "
                        "with each, with the same --preprocess, --load_size and --crop_size; --fake chooses the "
                        "direction")
    if others:
        notices.append("note: left out, since the methods were given different pictures under these names: "
                       + _some(others))
    sizes = [name for name, same in compared.items() if same == "other sizes"]
    if sizes:
        notices.append(f"note: the methods were given pictures of different sizes ({_some(sizes)}): whether they show "
                       "the same is not known, and their numbers are of different sizes")
    return [name for name in candidates if name not in set(others)], notices


def _compare(methods: Sequence[Method], name: str) -> str:
    """'same', 'other sizes' or 'other pixels': the sources, and the truths, of one input."""
    said = "same"
    for role in ("source", "real"):
        files = [method.picture(name, role) for method in methods if role == "source" or method.paired]
        first, *others = [read_picture(path) for path in files] or [np.empty(0)]
        for other in others:
            if other.shape != first.shape:
                said = "other sizes"
            elif (other != first).any():
                return "other pixels"
    return said


def _some(names: Sequence[str]) -> str:
    """Names in words, not too many."""
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return ", ".join(names[:MOST_TOLD]) + more if names else "nothing"
