"""The same samples over the epochs: a line each with the input, what was made of it, and the truth at the end."""
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from dominate import tags

from pages.page import Pictures

MOST_EPOCHS = 12


@dataclass
class Line:
    """One sample. given: its input, and the truth where there is one; made: of the input, by epoch.

    All are (label, file relative to the folder of pictures).
    """

    given: Pictures
    made: dict[int, tuple[str, str]] = field(default_factory=dict)

    def files(self) -> set[str]:
        """All its files."""
        return {file for _, file in [*self.given, *self.made.values()]}


class SampleStrip:
    """At most 12 epochs however long the training: the first, the newest, and evenly between them every `stride`th."""

    def __init__(self) -> None:
        self.stride = 1  # in epochs, a power of two
        self.lines: dict[str, Line] = {}

    def add(self, epoch: int, samples: Mapping[str, Pictures]) -> set[str]:
        """Put an epoch at the end of each line; returns the files that no line shows any more.

        samples: by name the input, what was made of it, and the truth if there is one: 2 or 3 pictures. A sample that
        is not among them is forgotten, and so is this epoch and what came after it, if a run went back.
        """
        before = self.files()
        earlier = {name: line.made for name, line in self.lines.items()}
        self.lines = {}
        for name, (source, fake, *truth) in samples.items():
            made = {at: picture for at, picture in earlier.get(name, {}).items() if at < epoch}
            self.lines[name] = Line([source, *truth], {**made, epoch: fake})
        while len(kept := self._kept()) > MOST_EPOCHS:
            self.stride *= 2
        for line in self.lines.values():
            line.made = {at: picture for at, picture in line.made.items() if at in kept}
        return before - self.files()

    def files(self) -> set[str]:
        """All files that are shown."""
        return set[str]().union(*(line.files() for line in self.lines.values()))

    def _kept(self) -> set[int]:
        """The epochs to show."""
        epochs = sorted({epoch for line in self.lines.values() for epoch in line.made})
        return {epoch for epoch in epochs if (epoch - epochs[0]) % self.stride == 0 or epoch == epochs[-1]}

    def state(self) -> dict[str, Any]:
        """What `from_state` restores, as JSON can hold it."""
        lines = [[name, line.given, list(line.made.items())] for name, line in self.lines.items()]
        return {"stride": self.stride, "lines": lines}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "SampleStrip":
        """The strip whose `state()` was stored. Raises an exception for anything else."""
        strip = cls()
        strip.stride = max(1, int(state["stride"]))
        for name, given, made in state["lines"]:
            pictures = [(str(label), str(file)) for label, file in given]
            if not pictures:
                raise ValueError(f"the sample {name!r} has no input")
            strip.lines[str(name)] = Line(pictures, {int(at): (str(label), str(file)) for at, (label, file) in made})
        return strip

    def html(self) -> str:
        """The lines as HTML, each in a box that scrolls by itself; nothing when there are none."""
        if not self.lines:
            return ""
        count = max(len(line.given) + len(line.made) for line in self.lines.values())
        shown = [_line(name, line) for name, line in self.lines.items()]
        section = tags.section(tags.h2("The same samples over the epochs"), shown, cls="strip")
        section["style"] = f"--count: {count}"  # all lines have columns of one width
        return section.render(pretty=False) + "\n"


def _line(name: str, line: Line) -> tags.div:
    (source, *truth), made = line.given, sorted(line.made.items())
    pictures = [_picture(source, "input", source[0])]
    pictures += [_picture(picture, f"epoch {epoch}") for epoch, picture in made]
    pictures += [_picture(picture, "truth", picture[0]) for picture in truth]
    return tags.div(tags.h3(name), tags.div(pictures, cls="film", tabindex=0), cls="sample")


def _picture(picture: tuple[str, str], what: str, shown: str = "") -> tags.figure:
    label, file = picture
    url = "images/" + quote(os.fsencode(file))
    image = tags.img(src=url, alt=f"{label}, {what}", loading="lazy", decoding="async")
    return tags.figure(tags.a(image, href=url), tags.figcaption(tags.b(what), f" {shown}" if shown else ""))
