"""The Translate room: a trained run, pictures dropped, and what becomes of them."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio
from dominate import tags
from PIL import Image

from studio.home import Home
from studio.translations import Translation, Translations, errors_in, generators, pack, saves
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
EVERY = 1.0  # seconds between two looks at a translation under way


def build(home: Home, tab: gradio.Tab, chosen: gradio.State) -> None:
    """Fill the tab. tab: its select event tells that a person comes in; chosen: the folder of images, '' for none."""
    translations = Translations(home)
    timer = gradio.Timer(EVERY, active=False)
    gradio.Markdown(WELCOME)
    with gradio.Row(equal_height=False):
        run = gradio.Dropdown([], label="Run", elem_id="run", info="What was trained, by the name it was given.")
        save = gradio.Dropdown([], label="State", elem_id="save",
                               info="How far it was trained: the last state, the best one, or an earlier one.")
    with gradio.Row(equal_height=False):
        direction = gradio.Radio(list(DIRECTIONS), value="A to B", label="Direction", visible=False,
                                 elem_id="direction", info="This run translates both ways. A is the pile of folder A.")
        weights = gradio.Radio(list(WEIGHTS), value="as they are", label="Weights", visible=False, elem_id="weights",
                               info="This run also kept a running mean of what it learned.")
        size = gradio.Radio(list(SIZES), value=next(iter(SIZES)), label="Size of the results", elem_id="size",
                            info="At the trained size pictures are scaled first, which is what the network knows best.")
    dropped = gradio.File(label="Pictures to translate, or a zip of them", file_count="multiple", elem_id="pictures",
                          height=160)
    with gradio.Row():
        begin = gradio.Button("Translate", variant="primary", elem_id="translate")
        stop = gradio.Button("Stop", visible=False, elem_id="stop-translating")
    status = gradio.HTML(elem_id="translating")
    with gradio.Column(visible=False) as results:
        slider = gradio.ImageSlider(label="Before and after: drag the line", elem_id="slider", format="png",
                                    max_height=640, interactive=False, buttons=["fullscreen"])
        gallery = gradio.Gallery(label="All translations: choose one to see it above", columns=5, height="auto",
                                 object_fit="contain", elem_id="translated", allow_preview=False, interactive=False)
        archive = gradio.DownloadButton("Download all as a zip", elem_id="zip")
    earlier = gradio.Dropdown([], label="Translations so far", elem_id="earlier", visible=False,
                              info="Also those that were begun before the page was closed.")
    command = gradio.Code(label="The same on a command line", language="shell", interactive=False, visible=False,
                          elem_id="translate-command", wrap_lines=True)
    shown = [status, results, slider, gallery, archive, command, stop, timer]

    def look_at(folder: str | None) -> list[Any]:
        """What there is to see of a translation, as values of `shown`."""
        if not folder:
            return ["", gradio.Column(visible=False), None, None, None, gradio.Code(visible=False),
                    gradio.Button(visible=False), gradio.Timer(active=False)]
        translation = translations.of(folder)
        state, made = translations.state(translation), translation.made()
        running = state == "running"
        ended = made if not running else []
        return [_status(translation, state, len(made)), gradio.Column(visible=bool(ended)),
                _both(*ended[0]) if ended else None,
                [(view(path), source.name) for source, path in ended[:SHOWN]],
                gradio.DownloadButton(value=pack(translation, _own())) if ended else None,
                gradio.Code(translation.asked["command"], visible=True), gradio.Button(visible=running),
                gradio.Timer(active=running)]

    def known(selected: str | None = None) -> Any:
        choices = [(one.title, str(one.folder)) for one in translations.all()]
        values = [value for _, value in choices]
        return gradio.Dropdown(choices, value=selected if selected in values else next(iter(values), None),
                               visible=bool(choices))

    @told
    def on_enter(run: str | None, folder: str | None) -> list[Any]:
        names = [name for name in home.runs() if saves(home.run(name))]
        return [gradio.Dropdown(names, value=run if run in names else next(iter(names), None),
                                info="What was trained, by the name it was given." if names else
                                "Nothing is trained yet: go to the room Train."), known(folder)]

    @told
    def on_run(run: str | None) -> Any:
        names = list(saves(home.run(run))) if run else []
        return gradio.Dropdown(names, value=next(iter(names), None))

    @told
    def on_save(run: str | None, save: str | None) -> list[Any]:
        if not run or not save:
            return [gradio.Radio(visible=False), gradio.Radio(visible=False)]
        has = generators(home.run(run), _flags_of(home, run, save))
        return [gradio.Radio(visible=has.both_ways), gradio.Radio(visible=has.means)]

    @told
    def on_begin(run: str | None, save: str | None, direction: str, weights: str, size: str, dropped: Any
                 ) -> list[Any]:
        if not run or not save:
            raise UserError("no run is chosen; choose one, or train one in the room Train first")
        flags = _flags_of(home, run, save)
        has = generators(home.run(run), flags)
        translation = translations.start(
            {"name": run, **flags, "direction": DIRECTIONS[direction] if has.both_ways else None,
             "weights": WEIGHTS[weights] if has.means else None, "preprocess": SIZES[size]},
            [Path(file) for file in dropped or []])
        return [known(str(translation.folder)), *look_at(str(translation.folder))]

    @told
    def on_stop(folder: str) -> list[Any]:
        translations.stop(translations.of(folder))
        return look_at(folder)

    @told
    def on_tick(folder: str | None) -> list[Any]:
        if folder and translations.state(translations.of(folder)) == "running":
            translation = translations.of(folder)
            return [_status(translation, "running", len(translation.made())), *[gradio.skip()] * (len(shown) - 1)]
        return look_at(folder)

    @told
    def on_choice(folder: str, choice: gradio.SelectData) -> Any:
        return _both(*translations.of(folder).made()[choice.index])

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(on_enter, [run, earlier], [run, earlier], **quiet)
    run.change(on_run, run, save, **quiet)
    gradio.on([save.change, run.change], on_save, [run, save], [direction, weights], **quiet)
    begin.click(on_begin, [run, save, direction, weights, size, dropped], [earlier, *shown], show_progress_on=status,
                api_visibility="private")
    stop.click(on_stop, earlier, shown, **quiet)
    earlier.change(told(look_at), earlier, shown, **quiet)
    timer.tick(on_tick, earlier, shown, **quiet)
    gallery.select(on_choice, earlier, slider, **quiet)


def _flags_of(home: Home, run: str, save: str) -> dict[str, Any]:
    """The flags of a state of the run. UserError when it is not there any more."""
    found = saves(home.run(run))
    if save not in found:
        raise UserError(f"{run} has no such state any more: {save}; choose another one")
    return found[save]


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
            tags.pre(errors_in(translation.words()))
        for notice in asked["notices"]:
            tags.p(notice)
    return str(result.render(pretty=False))
