"""The Data room: choose or bring pictures, and see what there is to know of them."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio

from studio.dropping import APART, JOINED, PILES, make_set
from studio.examining import Reports
from studio.home import Home
from studio.report_view import next_step, report_html
from studio.views import sample_views, suspicious_views
from studio.words import as_text, told
from util.errors import UserError

WELCOME = """Choose a folder of pictures, or bring your own. The app looks at every picture and says what would stand in
the way of a training."""
KINDS = {"Pairs: each file shows both pictures side by side, A on the left and B on the right": JOINED,
         "Pairs: A and B are files of their own with equal names": APART,
         "Two piles A and B, without pairs": PILES}
WIDTH = 280  # pixels of a field at least; narrower windows have them below each other
PROGRESS = gradio.Progress()
NEW_FOLDER = """Drop pictures or a .zip of them. They become a folder of their own, which the app and the commands read;
what is there already is never changed."""


def build(home: Home, tab: gradio.Tab, chosen: gradio.State) -> None:
    """Fill the tab. tab: its select event tells that a person comes in; chosen: the folder of images, '' for none."""
    reports = Reports()
    gradio.Markdown(WELCOME)
    with gradio.Row(equal_height=False):
        folder = gradio.Dropdown(
            _choices(home), value=None, label="Folder of pictures", scale=4, min_width=WIDTH, elem_id="folder",
            allow_custom_value=True,
            info="One that the app found, or the path of another one inside the folders that it was started with.")
        look = gradio.Button("Look at it", variant="primary", scale=1, elem_id="look", min_width=120)
    with gradio.Accordion("Bring pictures from this computer", open=not home.sets()):
        gradio.Markdown(NEW_FOLDER)
        kind = gradio.Radio(list(KINDS), value=next(iter(KINDS)), label="What you have", elem_id="kind",
                            info="Pairs show the same thing twice, such as a map and its photo; piles do not.")
        with gradio.Row():
            first = gradio.File(label="Pairs, or a zip", file_count="multiple", elem_id="first", height=160)
            second = gradio.File(label="B, or a zip", file_count="multiple", elem_id="second", height=160,
                                 visible=False)
        with gradio.Row(equal_height=False):
            name = gradio.Textbox(label="Name of the new folder", placeholder="my_pictures", elem_id="new-name",
                                  max_lines=1, min_width=WIDTH,
                                  info="A word; you will find the pictures under it in all three rooms.")
            share = gradio.Slider(0, 50, 10, step=1, label="Put aside for testing, in %", elem_id="share",
                                  min_width=WIDTH,
                                  info="Pictures that training never sees show what it has really learned.")
        bring = gradio.Button("Make the folder and look at it", elem_id="bring")
    said = gradio.HTML(elem_id="report")
    step = gradio.Markdown(elem_id="next-step", sanitize_html=True)
    with gradio.Column(visible=False) as doubted:
        doubtful = gradio.Gallery(label="Pictures that are worth a look, see above", columns=4, height="auto",
                                  object_fit="contain", elem_id="doubtful", interactive=False, buttons=["fullscreen"])
    with gradio.Column(visible=False) as seen:
        samples = gradio.Gallery(label="Some of the pictures", columns=4, height="auto", object_fit="contain",
                                 elem_id="samples", interactive=False, buttons=["fullscreen"])
    shown = [said, step, seen, samples, doubted, doubtful, chosen]

    def look_at(path: Any, progress: gradio.Progress) -> list[Any]:
        found = home.folder_inside(_required(path))
        report = reports.of(found, lambda done, of: progress((done, of), desc="looking at pictures", unit="pictures"))
        views, doubts = sample_views(report), suspicious_views(report)
        return [report_html(report), f"**{next_step(report)}**", gradio.Column(visible=bool(views)), views,
                gradio.Column(visible=bool(doubts)), doubts, str(found)]

    @told
    def on_look(path: Any, progress: gradio.Progress = PROGRESS) -> list[Any]:
        return look_at(path, progress)

    @told
    def on_bring(kind: str, first: Any, second: Any, name: str, share: float, progress: gradio.Progress = PROGRESS
                 ) -> list[Any]:
        place, notices = make_set(home, name or "", KINDS[kind], _paths(first),
                                  _paths(second) if KINDS[kind] != JOINED else [], share / 100)
        for notice in notices:
            gradio.Info(as_text(notice), duration=None)
        return [gradio.Dropdown(_choices(home), value=str(place)), *look_at(str(place), progress)]

    look.click(on_look, folder, shown, show_progress_on=said, api_visibility="private")
    bring.click(on_bring, [kind, first, second, name, share], [folder, *shown], show_progress_on=said,
                api_visibility="private")
    kind.change(_labels, kind, [first, second], show_progress="hidden", api_visibility="private")
    for comes in (tab.select, None):  # None: the page is loaded
        gradio.on(comes, lambda: gradio.Dropdown(_choices(home)), None, folder, show_progress="hidden",
                  api_visibility="private")


def _choices(home: Home) -> list[tuple[str, str]]:
    return [(name, str(path)) for name, path in home.sets().items()]


def _required(path: Any) -> str:
    if not path or not str(path).strip():
        raise UserError("no folder is chosen; choose one, or bring pictures")
    return str(path).strip()


def _paths(files: Any) -> list[Path]:
    return [Path(file) for file in files or []]


def _labels(kind: str) -> list[Any]:
    """What the two places to drop pictures are called, and whether the second one is there."""
    apart = KINDS[kind] != JOINED
    return [gradio.File(label="A, or a zip (also one with folders A and B)" if apart else "Pairs, or a zip"),
            gradio.File(visible=apart)]
