"""The Translate room: a trained run, pictures dropped, and what becomes of them."""
from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gradio
from dominate import tags
from PIL import Image

from studio.home import Home
from studio.translations import Generators, Translation, Translations, errors_in, generators, pack, saves
from studio.views import view
from studio.words import told
from util.errors import UserError

SHOWN = 60  # translations in the gallery
LARGE = 1024  # pixels that a picture in the slider has at most, in width and height
WELCOME = """Choose what was trained, drop pictures, and see what it makes of them. The results can be downloaded with
the values of their files: 16 bits in, 16 bits out."""
DIRECTIONS = {"A to B": "AtoB", "B to A": "BtoA"}
WEIGHTS = {"as they are": None, "the mean of the last steps, which is often smoother": "ema"}
SIZES = {"the size that was trained with": None, "the size of each picture": "none"}
SILENT = ("It was stopped, or ended without a word: killed, perhaps for too little memory, or the machine went down. "
          "Smaller pictures, or the size that was trained with, take less memory.")
RUN = "What was trained, by the name it was given."
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
WIDTH = 280  # pixels of a field at least; narrower windows have them below each other
EVERY = 1.0  # seconds between two looks at a translation under way


@dataclass(frozen=True)
class Fields:
    """What a person fills in."""

    run: gradio.Dropdown
    save: gradio.Dropdown
    direction: gradio.Radio
    weights: gradio.Radio
    size: gradio.Radio
    dropped: gradio.File


@dataclass(frozen=True)
class Shown:
    """What there is to see of a translation."""

    status: gradio.HTML
    results: gradio.Column
    slider: gradio.ImageSlider
    gallery: gradio.Gallery
    archive: gradio.DownloadButton
    command: gradio.Textbox
    stop: gradio.Button
    timer: gradio.Timer


def build(home: Home, tab: gradio.Tab, chosen: gradio.State) -> None:
    """Fill the tab. tab: its select event tells that a person comes in; chosen: the folder of images, '' for none."""
    do = Handlers(home)
    gradio.Markdown(WELCOME)
    form = _fields()
    with gradio.Row():
        begin = gradio.Button("Translate", variant="primary", elem_id="translate")
        stop = gradio.Button("Stop", visible=False, elem_id="stop-translating")
    seen = _shown(stop)
    earlier = gradio.Dropdown([], label="Translations so far", elem_id="earlier", visible=False,
                              info="Also those that were begun before the page was closed.")
    wish, shown = list(vars(form).values()), list(vars(seen).values())

    tab.select(told(do.enter), [form.run, earlier], [form.run, earlier], **QUIET)
    form.run.change(told(do.choose_run), form.run, form.save, **QUIET)
    gradio.on([form.save.change, form.run.change], told(do.choose_save), [form.run, form.save],
              [form.direction, form.weights], **QUIET)
    begin.click(told(do.begin), wish, [earlier, *shown], show_progress_on=seen.status, api_visibility="private")
    stop.click(told(do.stop), earlier, shown, **QUIET)
    earlier.change(told(do.look_at), earlier, shown, **QUIET)
    seen.timer.tick(told(do.tick), earlier, shown, **QUIET)
    seen.gallery.select(told(do.choose), earlier, seen.slider, **QUIET)


def _fields() -> Fields:
    with gradio.Row(equal_height=False):
        run = gradio.Dropdown([], label="Run", elem_id="run", min_width=WIDTH, info=RUN)
        save = gradio.Dropdown([], label="State", elem_id="save", min_width=WIDTH,
                               info="How far it was trained: the last state, the best one, or an earlier one.")
    with gradio.Row(equal_height=False):
        direction = gradio.Radio(list(DIRECTIONS), value="A to B", label="Direction", visible=False,
                                 elem_id="direction", min_width=WIDTH,
                                 info="This run translates both ways; A and B are as they were in its training.")
        weights = gradio.Radio(list(WEIGHTS), value="as they are", label="Weights", visible=False, elem_id="weights",
                               min_width=WIDTH, info="This run also kept a running mean of what it learned.")
        size = gradio.Radio(list(SIZES), value=next(iter(SIZES)), label="Size of the results", elem_id="size",
                            min_width=WIDTH, info="At the trained size pictures are scaled first, which is what the "
                                                  "network knows best.")
    return Fields(run, save, direction, weights, size, gradio.File(
        label="Pictures to translate, or a zip of them", file_count="multiple", elem_id="pictures", height=160))


def _shown(stop: gradio.Button) -> Shown:
    status = gradio.HTML(elem_id="translating")
    with gradio.Column(visible=False) as results:
        slider = gradio.ImageSlider(label="Before and after: drag the line", elem_id="slider", format="png",
                                    max_height=640, interactive=False, buttons=["fullscreen"])
        gallery = gradio.Gallery(label="All translations: choose one to see it above", columns=5, height="auto",
                                 object_fit="contain", elem_id="translated", allow_preview=False, interactive=False)
        archive = gradio.DownloadButton("Download all as a zip", elem_id="zip")
    command = gradio.Textbox(label="The same on a command line", interactive=False, visible=False, buttons=["copy"],
                             elem_id="translate-command", elem_classes="command", lines=2, max_lines=6)
    return Shown(status, results, slider, gallery, archive, command, stop, gradio.Timer(EVERY, active=False))


class Handlers:
    """What the room does. A translation is known by its folder."""

    def __init__(self, home: Home):
        self.home, self.translations = home, Translations(home)

    def enter(self, run: str | None, folder: str | None) -> list[Any]:
        """Somebody comes in: the runs and the translations that there are."""
        names = [name for name in self.home.runs() if saves(self.home.run(name))]
        info = RUN if names else "Nothing is trained yet: go to the room Train."
        return [gradio.Dropdown(names, value=run if run in names else next(iter(names), None), info=info),
                self._known(folder)]

    def choose_run(self, run: str | None) -> Any:
        """The states that were saved."""
        names = list(saves(self.home.run(run))) if run else []
        return gradio.Dropdown(names, value=next(iter(names), None))

    def choose_save(self, run: str | None, save: str | None) -> list[Any]:
        """What there is to choose of a state; nothing of one that another run had."""
        flags = saves(self.home.run(run)).get(save or "") if run else None
        has = Generators(False, False) if flags is None or run is None else generators(self.home.run(run), flags)
        return [gradio.Radio(visible=has.both_ways), gradio.Radio(visible=has.means)]

    def begin(self, run: str | None, save: str | None, direction: str, weights: str, size: str, dropped: Any
              ) -> list[Any]:
        """Start."""
        if not run or not save:
            raise UserError("no run is chosen; choose one, or train one in the room Train first")
        flags = saves(self.home.run(run)).get(save)
        if flags is None:
            raise UserError(f"{run} has no such state any more: {save}; choose another one")
        has = generators(self.home.run(run), flags)
        translation = self.translations.start(
            {"name": run, **flags, "direction": DIRECTIONS[direction] if has.both_ways else None,
             "weights": WEIGHTS[weights] if has.means else None, "preprocess": SIZES[size]},
            [Path(file) for file in dropped or []])
        return [self._known(str(translation.folder)), *self.look_at(str(translation.folder))]

    def stop(self, folder: str) -> list[Any]:
        """End it."""
        self.translations.stop(self.translations.of(folder))
        return self.look_at(folder)

    def tick(self, folder: str | None) -> list[Any]:
        """How far it is; everything as soon as it has ended."""
        translation = self.translations.of(folder or "")
        if self.translations.state(translation) != "running":
            return self.look_at(folder)
        return [_status(translation, "running", len(translation.made())), *[gradio.skip()] * (len(fields(Shown)) - 1)]

    def look_at(self, folder: str | None) -> list[Any]:
        """What there is to see of a translation, in the order of Shown."""
        if not folder:
            return ["", gradio.Column(visible=False), None, None, None, gradio.Textbox(visible=False),
                    gradio.Button(visible=False), gradio.Timer(active=False)]
        translation = self.translations.of(folder)
        state, made = self.translations.state(translation), translation.made()
        running = state == "running"
        ended = [] if running else made
        return [_status(translation, state, len(made)), gradio.Column(visible=bool(ended)),
                _both(*ended[0]) if ended else None,
                [(view(path), source.name) for source, path in ended[:SHOWN]],
                gradio.DownloadButton(value=pack(translation, _own())) if ended else None,
                gradio.Textbox(translation.asked["command"], visible=True), gradio.Button(visible=running),
                gradio.Timer(active=running)]

    def choose(self, folder: str, choice: gradio.SelectData) -> Any:
        """A picture of the gallery, in the slider."""
        return _both(*self.translations.of(folder).made()[choice.index])

    def _known(self, selected: str | None) -> Any:
        choices = [(one.title, str(one.folder)) for one in self.translations.all()]
        values = [value for _, value in choices]
        return gradio.Dropdown(choices, value=selected if selected in values else next(iter(values), None),
                               visible=bool(choices))


def _own() -> Path:
    """The folder of this app's own, which the page downloads from."""
    return Path(os.environ["GRADIO_TEMP_DIR"])


def _both(source: Path, made: Path) -> tuple[Image.Image, Image.Image]:
    """A picture before and after, of one size."""
    after = view(made, side=LARGE)
    return view(source, side=LARGE).resize(after.size), after


def _status(translation: Translation, state: str, made: int) -> str:
    """How far a translation is, and what there was to say."""
    asked = translation.asked
    with tags.div(cls="status") as result:
        if state == "running":
            tags.p(f"Translating: {made} of {asked['count']}. You may close this page; the work goes on.")
            tags.progress(value=made, max=asked["count"])
        elif state == "done":
            tags.p(f"{made} of {asked['count']} pictures are translated. They are in {translation.folder / 'output'}")
        else:
            tags.p(f"It ended early, after {made} of {asked['count']} pictures.", cls="failed")
            if said := errors_in(translation.words()):
                tags.pre(said)
            else:
                tags.p(SILENT)
        for notice in asked["notices"]:
            tags.p(notice)
    return str(result.render(pretty=False))
