"""The page of a training run: its curves, the same samples over the epochs, and the pictures of each epoch.

A save costs the same at epoch 10 and at epoch 10,000: the curves have a bounded size, `index.html` keeps the
newest rows, and the older ones move in blocks to pages of their own that are written once and then only linked.
"""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from time import time

from dominate import tags

from pages.charts import charts
from pages.dates import date, duration
from pages.loss_curves import Curve, Point
from pages.page import Pictures, page, picture_row, pictures_across
from pages.sample_strip import SampleStrip
from util.files import write_atomically

MOST_ROWS = 40
BLOCK = 20
RELOAD_SECONDS = 30

LOSSES = "Each point is the mean over the steps since the one before; a strong line smooths the pale one."
VALIDATION = "Measured on held-out images."
RING = "A ring marks the best value of the metric that is followed."

_BLOCK_NAME = re.compile(r"epochs_(\d+)-(\d+)\.html")


class TrainingPage:
    """`index.html` of a training run, the pages of its older epochs, and `page.json` to go on from."""

    def __init__(self, web_dir: Path, title: str, facts: dict[str, str], image_width: int, resume: bool = False,
                 equilibria: Mapping[str, float] | None = None):
        """web_dir: holds the pages, and the pictures in `images/`; facts: shown as a list of terms below the title;
        image_width: width at which a picture is shown, in CSS pixels; resume: go on from the `page.json` in web_dir;
        equilibria: losses by name and the value that a dotted line shows.
        """
        self.web_dir = Path(web_dir)
        self.title = title
        self.facts = facts
        self.image_width = image_width
        self.curves: dict[str, Curve] = {}
        self.equilibria = dict(equilibria or {})
        self.validation: dict[str, Curve] = {}
        self.best: dict[str, Point] = {}
        self.strip = SampleStrip()
        self.rows: dict[int, Pictures] = {}  # epoch -> pictures, in rising order of epochs
        self.older: str | None = None  # the newest of the pages with older epochs
        self.remark = ""  # what is to be said of the training's end
        self.began = time()  # this part of the training
        self.started: float | None = self.began  # None: with a page that an earlier version wrote
        self.trained = 0.0  # seconds, in the parts before this one
        self._unused: set[str] = set()  # pictures that the strip showed
        if resume:
            self._read_state()

    def add_losses(self, epoch: float, losses: dict[str, float]) -> None:
        """Add a value to each named curve. epoch: the place on the x axis, 1.25 after one epoch and a quarter."""
        for name, value in losses.items():
            self.curves.setdefault(name, Curve()).add(epoch, value)

    def add_metrics(self, epoch: float, metrics: Mapping[str, float], best: Mapping[str, float] | None = None) -> None:
        """Add a value to each named curve of the section 'Validation'. epoch: epochs done.

        best: by name of a metric the epoch of its best value so far, one that was given as `epoch`; it is marked.
        """
        for name, value in metrics.items():
            self.validation.setdefault(name, Curve()).add(epoch, value)
        self.best = {name: point for name, point in self.best.items() if point[0] < epoch}
        for name, at in (best or {}).items():
            if name not in self.best or self.best[name][0] != at:
                points = self.validation[name].drawn() if name in self.validation else []
                nearest = min(points, key=lambda point: abs(point[0] - at), default=None)
                self.best |= {name: nearest} if nearest else {}

    def add_samples(self, epoch: int, samples: Mapping[str, Pictures]) -> None:
        """Put an epoch at the end of the strip of fixed samples. What a run that went back had made later gives way.

        samples: by name (a sample in one direction) the input, what was made of it, and the truth where there are
        pairs: 2 or 3 pictures of (label, file relative to `images/`). The file of what was made must be of this epoch
        alone: "val_0001_epoch012_fake_B.png". Input and truth may be the same files each time. Files that the strip
        shows no more (it shows at most 12 epochs) are removed by the next `save`.
        """
        self._unused |= self.strip.add(epoch, samples)

    def add_pictures(self, epoch: int, pictures: Pictures) -> None:
        """Set the row of an epoch. Rows of the same and of later epochs, left by a run that resumed, give way.

        pictures: (label, file relative to `images/`), in the order to show.
        """
        self.rows = {earlier: row for earlier, row in self.rows.items() if earlier < epoch}
        self.rows[epoch] = pictures
        if self.older and _epochs(self.older)[0] >= epoch:
            self.older = self._block_before(epoch)

    def save(self, running: bool = True, finished: bool = True) -> Path:
        """Write `index.html` and what it needs, and return its path. Raises OSError.

        running: the page reloads itself until the last save says False; finished: whether training came to its end
        then.
        """
        while len(self.rows) > MOST_ROWS:
            self._move_oldest_rows()
        now = time()
        trained = self.trained + max(0.0, now - self.began)
        state = {
            "curves": {name: vars(curve) for name, curve in self.curves.items()},
            "validation": {name: vars(curve) for name, curve in self.validation.items()},
            "best": self.best,
            "strip": self.strip.state(),
            "rows": list(self.rows.items()),
            "older": self.older,
            "started": self.started,
            "trained": trained,
        }
        write_atomically(self.web_dir / "page.json", json.dumps(state))
        times = {"started": date(self.started)} if self.started is not None else {}
        times |= {"last saved" if running else "ended": date(now), "trained for": duration(trained)}
        measured = f"{VALIDATION} {RING}" if self.best else VALIDATION
        body = (_status(running, finished, self.remark) + charts("Losses", LOSSES, self.curves, self.equilibria)
                + charts("Validation", measured, self.validation, best=self.best)
                + self.strip.html() + self._rows(self.rows))
        path = self.web_dir / "index.html"
        write_atomically(path, page(self.title, self.facts | times, body, self.image_width,
                                    RELOAD_SECONDS if running else None, parts=("page", "training"),
                                    across=_across(self.rows)))
        self._remove_unused()
        return path

    def _remove_unused(self) -> None:
        """Remove the pictures that the strip shows no more, as far as they lie in the folder."""
        images = (self.web_dir / "images").resolve()
        for file in self._unused - self.strip.files():
            if (path := (images / file).resolve()).is_relative_to(images):
                path.unlink(missing_ok=True)
        self._unused = set()

    def _move_oldest_rows(self) -> None:
        """Write the oldest block of rows as a page that links to the page before it."""
        block = dict(list(self.rows.items())[:BLOCK])
        first, last = min(block), max(block)
        name = f"epochs_{first:04d}-{last:04d}.html"
        title = f"{self.title}, epochs {first}–{last}"
        content = page(title, self.facts, self._rows(block, "index.html"), self.image_width,
                       across=_across(block))
        write_atomically(self.web_dir / name, content)
        self.rows = {epoch: row for epoch, row in self.rows.items() if epoch not in block}
        self.older = name

    def _rows(self, rows: dict[int, Pictures], newest: str | None = None) -> str:
        """Return the rows, newest first, between links to the page of the newest epochs and to the next older one."""
        if not rows:
            return ""
        links = tags.nav(tags.b(f"{_span(min(rows), max(rows))}, newest first"))
        if newest:
            links.add(tags.a("Newest epochs", href=newest))
        if self.older:
            links.add(tags.a(f"Older: {_span(*_epochs(self.older)).lower()}", href=self.older))
        nav = links.render(pretty=False) + "\n"
        newest_first = sorted(rows.items(), reverse=True)
        shown = [picture_row(f"epoch {epoch}", pictures, self.image_width) for epoch, pictures in newest_first]
        return nav + "".join(shown) + nav

    def _block_before(self, epoch: int) -> str | None:
        """Return the newest page on disk that begins before this epoch.

        Every link of the chain leads to an earlier beginning, so a run that goes back cannot close it to a ring.
        """
        names = [file.name for file in self.web_dir.iterdir() if _BLOCK_NAME.fullmatch(file.name)]
        return max((name for name in names if _epochs(name)[0] < epoch), key=_epochs, default=None)

    def _read_state(self) -> None:
        path = self.web_dir / "page.json"
        try:
            state = json.loads(path.read_bytes())
            curves, validation = ({name: Curve.from_state(curve) for name, curve in curves.items()}
                                  for curves in (state["curves"], state.get("validation", {})))
            best = {str(name): (float(epoch), float(value)) for name, (epoch, value) in state.get("best", {}).items()}
            strip = SampleStrip.from_state(state["strip"]) if "strip" in state else SampleStrip()
            rows = {int(epoch): [(str(label), str(file)) for label, file in row] for epoch, row in state["rows"]}
            older = state["older"]
            if older is not None:
                _epochs(older)
            started, trained = state.get("started"), float(state.get("trained", 0))
            date(started or 0), duration(trained)
        except FileNotFoundError:
            return
        except Exception as error:  # whatever is wrong with the file, it must not stop a training
            warnings.warn(f"The page of the earlier epochs starts anew: {path} cannot be used ({error!r}).",
                          stacklevel=2)
            return
        self.curves, self.validation, self.best, self.strip = curves, validation, best, strip
        self.rows, self.older, self.started, self.trained = rows, older, started, trained


def _epochs(name: str) -> tuple[int, int]:
    """Return the first and the last epoch of a page by its name, "epochs_0001-0020.html". Raises ValueError."""
    match = _BLOCK_NAME.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r} is not named as a page of epochs")
    return int(match[1]), int(match[2])


def _across(rows: dict[int, Pictures]) -> int:
    """How many pictures of a row belong in one line; of the widest row."""
    return max((pictures_across([label for label, _ in pictures]) for pictures in rows.values()), default=1)


def _span(first: int, last: int) -> str:
    return f"Epoch {first}" if first == last else f"Epochs {first}–{last}"


def _status(running: bool, finished: bool, remark: str) -> str:
    stopped = "Training was stopped before its end; --continue_train goes on."
    ended = (remark or "Training has finished.") if finished else stopped
    going = f"Training was running when this page was written; it reloads every {RELOAD_SECONDS} s."
    text = going if running else ended  # it cannot know that its training was killed
    return tags.p(text, cls="status").render(pretty=False) + "\n"
