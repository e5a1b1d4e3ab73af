"""What is shown of one training: its curves, and the pictures of its page. Only what is new is read."""
from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dominate import tags
from PIL import Image

from pages.loss_curves import Curve
from pages.sample_strip import SampleStrip
from runs.run_folder import LOGS, PAGE
from studio.new_lines import NewLines

SIDE = 160  # pixels of a thumbnail
KEPT = 1000  # thumbnails in memory
Row = tuple[float, str, float]
"""A point of a chart: images seen in all (or, of validations, the epoch), the curve's name, the value."""


class Watched:
    """A training that somebody looks at, in any number of windows.

    version: counts up with each new point.
    """

    def __init__(self, folder: Path):
        self.folder, self.version = folder, 0
        self._new = NewLines(folder / LOGS[1])
        self._losses: dict[str, Curve] = {}
        self._validation: dict[str, Curve] = {}
        self._one = threading.Lock()

    def look(self) -> int:
        """Read what is new; returns the version."""
        with self._one:
            lines = self._new.read()
            if self._new.began_anew:
                self._losses, self._validation = {}, {}
                self.version += 1
            for line in lines:
                with suppress(ValueError, KeyError, TypeError, AttributeError):  # a line that is none of ours
                    self._add(json.loads(line))
            self.version += bool(lines)
            return self.version

    def losses(self) -> list[Row]:
        """The curves of the losses, in at most 512 points each."""
        with self._one:
            return _rows(self._losses)

    def validation(self) -> list[Row]:
        """The curves of what was measured on held-out images."""
        with self._one:
            return _rows(self._validation)

    def _add(self, row: dict[str, Any]) -> None:
        for name, value in row.get("losses", {}).items():
            self._losses.setdefault(name, Curve()).add(row["total"], value)
        for name, value in row.get("validation", {}).items():
            self._validation.setdefault(name, Curve()).add(row["epoch"], value)


def _rows(curves: dict[str, Curve]) -> list[Row]:
    return [(x, name, y) for name, curve in curves.items() for x, y in curve.drawn()]


@dataclass
class Strips:
    """The pictures of training pages as HTML that asks for no file: small ones, made once each."""

    _made: dict[tuple[Path, int], str] = field(default_factory=dict)

    def changed(self, folder: Path) -> int:
        """When the page of the run in `folder` was written, in nanoseconds; 0 when it has none."""
        with suppress(OSError):
            return (folder / PAGE / "page.json").stat().st_mtime_ns
        return 0

    def html(self, folder: Path) -> str:
        """The fixed samples over the epochs or, when there are none, the pictures of the newest epoch; '' without any.
        """
        state = _read(folder / PAGE / "page.json")
        images = folder / PAGE / "images"
        title, lines = "The same pictures over the epochs", []
        with suppress(ValueError, KeyError, TypeError):
            for name, line in SampleStrip.from_state(state["strip"]).lines.items():
                (label, source), *truth = line.given
                films = [(f"{label}, the input", source)]
                films += [(f"epoch {epoch}", file) for epoch, (_, file) in sorted(line.made.items())]
                films += [(f"{label}, the truth", file) for label, file in truth]
                lines.append(self._film(name, images, films))
        if not lines:
            with suppress(ValueError, KeyError, TypeError, IndexError):
                epoch, pictures = state["rows"][-1]
                title = "What it made last of one picture"
                lines.append(tags.p("real: from your files; fake: made by the network; rec: made back from it"))
                lines.append(self._film(f"epoch {epoch}", images, [(label, file) for label, file in pictures]))
        return tags.div(tags.h3(title), lines).render(pretty=False) if lines else ""

    def _film(self, name: str, images: Path, pictures: Sequence[tuple[str, str]]) -> tags.html_tag:
        figures = [tags.figure(tags.img(src=address, alt=f"{name}: {caption}"), tags.figcaption(caption))
                   for caption, file in pictures if (address := self._small(images, file))]
        return tags.div(tags.h4(name), tags.div(figures, cls="film", tabindex=0))

    def _small(self, images: Path, file: str) -> str:
        """The picture, small, as an address that holds it; '' when it cannot be read, or does not lie in `images`."""
        with suppress(OSError, ValueError):
            path = (images / file).resolve()
            if not path.is_relative_to(images.resolve()):
                return ""
            key = path, path.stat().st_mtime_ns
            if key not in self._made:
                while len(self._made) >= KEPT:
                    self._made.pop(next(iter(self._made)))
                self._made[key] = _address(path)
            return self._made[key]
        return ""


def _address(path: Path) -> str:
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    small.save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}
