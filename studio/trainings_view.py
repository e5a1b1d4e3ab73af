"""The trainings that there are: a list, and the one that is looked at, as it learns.

A window asks every two seconds while a training is at work, and gets what is new to it.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio
import pandas

from studio.home import Home
from studio.new_training import Form
from studio.news import News, new_to
from studio.training_words import going_on
from studio.trainings import Trainings
from studio.watched import Row
from studio.words import told
from util.errors import UserError

EVERY = 2.0  # seconds
FILMS = """
.film { contain: inline-size; display: flex; gap: 0.5rem; overflow-x: auto; padding-bottom: 0.5rem; }
.film figure { margin: 0; flex: none; text-align: center; }
.film img { display: block; width: 128px; max-width: none; }
.film figcaption { font-size: 0.8rem; max-width: 128px; }
h4 { margin: 0.5rem 0 0.25rem; overflow-wrap: anywhere; }
"""
LEAVE = "Closing this page, or the app, does not stop a training: it goes on by itself, and is listed here again."


def build_view(home: Home, trainings: Trainings, tab: gradio.Tab, form: Form) -> None:
    """The list and what is shown of one training. form: what was started there is looked at."""
    news = News(trainings)
    gradio.Markdown(f"## Trainings\n{LEAVE}")
    runs = gradio.Radio([], label="Look at", elem_id="runs")
    standing = gradio.HTML(elem_id="standing")
    with gradio.Row(equal_height=False):
        stop = gradio.Button("Stop, and save", variant="stop", interactive=False, elem_id="stop", min_width=120)
        go_on = gradio.Button("Go on", interactive=False, elem_id="go-on", min_width=120)
        minutes = gradio.Number(0, label="Go on for so many minutes; 0: to the end", elem_id="more-minutes",
                                min_width=160)
    line = gradio.Textbox(label="The command that was started", interactive=False, lines=2, max_lines=6,
                          buttons=["copy"], elem_id="started-line", elem_classes="command")
    with gradio.Row(equal_height=False):
        losses = _chart("Losses", "images seen", "losses")
        validation = _chart("On held-out images", "epoch", "validation")
    strip = gradio.HTML(css_template=FILMS, elem_id="strip")
    with gradio.Accordion("What it wrote last", open=False, elem_id="log-fold"):
        log = gradio.Textbox(lines=12, max_lines=24, show_label=False, interactive=False, elem_id="log",
                             autoscroll=True, buttons=["copy"])
    seen, timer = gradio.State({}), gradio.Timer(EVERY, active=False)
    shown = [runs, standing, stop, go_on, line, losses, validation, strip, log, seen, timer]

    def look(name: str | None, known: dict[str, Any]) -> list[Any]:
        parts, at_work = news.parts(name)
        new = new_to(known, parts)
        made = {part: SHOWN[part](new[part]) for part in SHOWN if part in new}
        if "can" in new:
            made |= {"stop": gradio.Button(interactive=new["can"].stop),
                     "go_on": gradio.Button(interactive=new["can"].go_on)}
        return [*(made.get(part, gradio.skip()) for part in ORDER),
                {part: one.state for part, one in parts.items()}, gradio.Timer(active=at_work)]

    @told
    def on_stop(name: str | None) -> None:
        trainings.stop(home.run(_required(name)).name)

    @told
    def on_go_on(name: str | None, minutes: float | None) -> None:
        trainings.start(going_on(home, _required(name), minutes or 0))

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    looking = {"fn": look, "inputs": [runs, seen], "outputs": shown, **quiet}
    timer.tick(**looking)
    tab.select(**looking)
    runs.input(**looking)
    stop.click(on_stop, runs, None, **quiet).then(**looking)
    go_on.click(on_go_on, [runs, minutes], None, **quiet).then(**looking)
    for event in form.starts:
        event.success(look, [form.started, seen], shown, **quiet)


SHOWN: dict[str, Callable[[Any], Any]] = {
    "list": lambda found: gradio.Radio(found.choices, value=found.name),
    "standing": gradio.HTML,
    "line": lambda text: gradio.Textbox(text, visible=bool(text)),
    "losses": lambda rows: _drawn(rows),
    "validation": lambda rows: _drawn(rows),
    "strip": lambda html: gradio.HTML(html, visible=bool(html)),
    "log": gradio.Textbox,
}
ORDER = ("list", "standing", "stop", "go_on", "line", "losses", "validation", "strip", "log")


def _chart(title: str, x: str, elem_id: str) -> gradio.LinePlot:
    return gradio.LinePlot(x="at", y="value", color="curve", title=title, x_title=x, y_title=" ", color_title=" ",
                           height=300, visible=False, elem_id=elem_id, min_width=320, buttons=["fullscreen"])


def _drawn(rows: list[Row]) -> gradio.LinePlot:
    """The chart of some curves; no chart before they have two points, which a line takes."""
    if len({at for at, *_ in rows}) < 2:
        return gradio.LinePlot(None, visible=False)
    return gradio.LinePlot(pandas.DataFrame(rows, columns=["at", "curve", "value"]), visible=True)


def _required(name: str | None) -> str:
    if not name:
        raise UserError("there is no training yet")
    return name
