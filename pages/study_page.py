"""The page of the real-or-fake study: one file that opens from disk, asks people and gives their answers as a file.

The protocol is that of pix2pix (section 4.1) and CycleGAN (section 5.1.1); docs/evaluation.md says what is as there.
Pictures, stylesheet and script are inlined; dominate writes the tags; study.js runs the session.
"""
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dominate import document, tags
from dominate.util import raw

from util.files import write_atomically

FORMAT = "real-or-fake answers 1"  # of the file that the page saves
GO_ON = "Enter NumpadEnter Space"  # keys


@dataclass(frozen=True)
class StudyPicture:
    """name: told in the answers, never shown; webp: the picture, of the study's size, as a WebP file."""

    name: str
    webp: bytes


@dataclass(frozen=True)
class StudyMethod:
    """Pairs of a real and a fake picture, as places in the study's list of pictures. name: told in the answers only."""

    name: str
    practice: Sequence[tuple[int, int]]
    trials: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Study:
    """What a page asks. A person who opens it gets one of the methods, at random, and its pairs in random order.

    size: width and height of a picture in pixels, on the screen as well; show_ms: how long a picture is shown, in
    milliseconds; before, between and after, their place is empty for half as long; seed, same_input: how the pairs were
    drawn, for the record.
    """

    methods: Sequence[StudyMethod]
    pictures: Sequence[StudyPicture]
    size: int
    seed: int
    same_input: bool
    show_ms: int = 1000


def write_study(path: Path, study: Study) -> int:
    """Write the page; returns its size in bytes. Raises OSError."""
    page = _page(study)
    write_atomically(path, page)
    return len(page)


def _page(study: Study) -> bytes:
    here = Path(__file__)
    page = document("Real or fake?", lang="en", style=f"--size: {study.size}px")
    page.head.add(
        tags.meta(charset="utf-8"),
        tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tags.link(rel="icon", href="data:,"),  # keeps the browser from asking for /favicon.ico
        tags.style(raw(here.with_name("study.css").read_text(encoding="utf-8"))),
    )
    page.body.add(
        tags.main(_start(study), _trial(study), _feedback(study), _rest(), _end()),
        tags.script(raw(_data(study)), type="application/json", id="data"),
        tags.script(raw(here.with_name("study.js").read_text(encoding="utf-8"))),
    )
    return page.render(pretty=False).encode("utf-8", errors="replace")


def _data(study: Study) -> str:
    """The study as JSON that no name can end early."""
    data = {
        "format": FORMAT, "size": study.size, "seed": study.seed, "same_input": study.same_input,
        "show_ms": study.show_ms,
        "pictures": [{"name": picture.name,
                      "src": f"data:image/webp;base64,{base64.b64encode(picture.webp).decode('ascii')}"}
                     for picture in study.pictures],
        "methods": [{"name": method.name, "practice": method.practice, "trials": method.trials}
                    for method in study.methods],
    }
    return json.dumps(data).replace("<", "\\u003c")


def _button(text: str, name: str, keys: str, hint: str, kind: str = "") -> tags.button:
    """keys: the codes of the keys that press it, in words; hint: how the page tells them."""
    return tags.button(tags.span(text), tags.kbd(hint), id=name, type="button", data_keys=keys, cls=kind)


def _start(study: Study) -> tags.section:
    practice, trials = len(study.methods[0].practice), len(study.methods[0].trials)
    seconds = f"{study.show_ms / 1000:g} {'second' if study.show_ms == 1000 else 'seconds'}"
    steps = [f"Two pictures appear in the same place, one after the other, for {seconds} each. One is real, the other "
             "was made by a computer program.",
             "Then say which one was real. Take the time you need, and guess when you are not sure."]
    if practice:
        steps.append(f"The first {practice} pairs are practice: you will be told the answer. The {trials} pairs after "
                     "them count, without an answer.")
    minutes = max(1, round((practice + trials) * (3.5 * study.show_ms + 1500) / 60000))
    return tags.section(
        tags.h1("Real or fake?"),
        tags.ol([tags.li(step) for step in steps]),
        tags.p(f"It takes about {minutes} {'minute' if minutes == 1 else 'minutes'}. Between two pairs you may pause. "
               "Please take part once only, on a screen that shows colours well."),
        tags.p("At the end you save a file with your answers and the time each one took. It holds nothing about you, "
               "and nothing leaves this page before you send that file yourself.", cls="quiet"),
        tags.noscript(tags.p("This page needs JavaScript, which is switched off in this browser.")),
        tags.div(_button("Start", "go", GO_ON, "Enter", "strong"), cls="buttons"),
        id="start",
    )


def _trial(study: Study) -> tags.section:
    return tags.section(
        tags.div(tags.output(id="count"), tags.progress(id="progress", value=0, max=1, aria_label="progress"),
                 cls="where"),
        tags.canvas(id="stage", width=study.size, height=study.size, cls="picture"),
        tags.h2(id="question", aria_live="polite"),
        tags.div(_button("The first", "first", "ArrowLeft Digit1 Numpad1", "1 or ←"),
                 _button("The second", "second", "ArrowRight Digit2 Numpad2", "2 or →"), cls="buttons"),
        tags.div(_button("Pause after this pair", "pause", "KeyP", "P", "slight"), cls="buttons"),
        id="trial", hidden=True,
    )


def _feedback(study: Study) -> tags.section:
    figures = [tags.figure(tags.canvas(width=study.size, height=study.size, cls="picture"), tags.figcaption())
               for _ in range(2)]
    return tags.section(
        tags.h2(id="verdict", aria_live="polite"),
        tags.div(figures, cls="pair"),
        tags.div(_button("Next pair", "next", GO_ON, "Enter", "strong"), cls="buttons"),
        id="feedback", hidden=True,
    )


def _rest() -> tags.section:
    return tags.section(
        tags.h2(id="why"), tags.p(id="what"),
        tags.div(_button("Go on", "on", GO_ON, "Enter", "strong"), cls="buttons"),
        id="rest", hidden=True,
    )


def _end() -> tags.section:
    return tags.section(
        tags.h2("Thank you!"),
        tags.p("Those were all pairs. Save the file with your answers, and send it to the person who gave you this "
               "page."),
        tags.div(_button("Save my answers", "save", GO_ON, "Enter", "strong"), cls="buttons"),
        tags.output(id="saved"),
        id="end", hidden=True,
    )
