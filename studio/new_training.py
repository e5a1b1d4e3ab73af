"""The form for a new training: what is chosen becomes a command, which is shown, checked, timed and started."""
from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gradio

from options.schema import OptionError
from studio.estimates import Pace
from studio.home import Home
from studio.training_words import OWN, Asked, Wish, asked, models_to_train, recipes, settings, suggested
from studio.trainings import AlreadyThere, Trainings
from studio.words import as_text, told
from util.errors import UserError

WELCOME = """## A new training
Choose pictures; the app suggests the rest. The *toy* recipes have small networks, for a computer without a GPU."""
TIMING = "Timing some real steps in a process of its own, which takes up to a minute and a half ..."
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Form:
    """started: the name of the training that was started last; starts: the events that start one."""

    started: gradio.State
    starts: list[Any]


class Choice(NamedTuple):
    """What the other fields follow from."""

    data: str
    model: str
    recipe: str


class Handlers:
    """What the form does. `values` are those of its fields, in the order of a Wish."""

    def __init__(self, home: Home, trainings: Trainings):
        self.home, self.trainings, self.pace = home, trainings, Pace(trainings)

    def enter(self, chosen: str, before: str, data: str | None, *others: Any) -> list[Any]:
        """Somebody comes in: the folders that there are, and the one that was looked at in the room Data.

        chosen: that one; before: when somebody came in last; others: as `choose` takes them.
        """
        choices = [(name, self.home.shown(path)) for name, path in self.home.sets().items()]
        if chosen and chosen != before:
            data = self.home.shown(Path(chosen))
        elif not data and len(choices) == 1:
            data = choices[0][1]
        return [gradio.Dropdown(choices, value=data), chosen, *self.choose("data", data, *others)]

    def choose(self, field: str, data: str | None, model: str, recipe: str, before: Choice) -> list[Any]:
        """What follows from another folder, recipe or model; nothing when the `field` is what it was `before`.

        A choice of these is told by the page also when somebody only passes by, and twice, the second time with what
        the other fields held before they followed.
        """
        now = Choice(data or "", model, recipe)
        if getattr(now, field) == getattr(before, field):
            return [gradio.skip()] * 8
        try:
            name = gradio.skip()
            if now.data != before.data:
                model, recipe = suggested(self.home.folder_inside(now.data))
                name = self._free_name(f"{Path(now.data).name}_{model}")
            elif recipe == before.recipe and recipe != OWN and settings(model, recipe)["model"] != model:
                recipe = OWN
            said = settings(model, recipe)
        except (UserError, OptionError, OSError):  # which `change` tells
            return [now, *[gradio.skip()] * 7]
        return [Choice(now.data, said["model"], recipe), name, said["model"], recipe, said["direction"], said["size"],
                said["batch_size"], said["epochs"]]

    def change(self, *values: Any) -> list[Any]:
        """The command, what its parser says, and how long it takes where that is known."""
        closed = gradio.Column(visible=False)
        try:
            found = self._asked(*values)
            said = "".join(f"<p>{as_text(notice)}</p>" for notice in found.notices)
            return [gradio.Textbox(str(found.line), visible=True), said, self.pace.known(found), closed]
        except (UserError, OptionError, OSError) as error:
            return [gradio.Textbox("", visible=False), f"<p><b>Not yet:</b> {as_text(str(error))}</p>", "", closed]

    def time(self, *values: Any) -> str:
        """The estimate, for which some steps are timed if need be."""
        return self.pace.timed(self._asked(*values))

    def start(self, *values: Any) -> list[Any]:
        """Start; where a run is, ask first."""
        try:
            self.trainings.start(self._asked(*values))
        except AlreadyThere as error:
            return [gradio.skip(), gradio.Column(visible=True), f"<p>{as_text(str(error))}</p>"]
        return [values[1].strip(), gradio.Column(visible=False), ""]

    def start_anew(self, *values: Any) -> list[Any]:
        """Start where a run is, which is removed."""
        self.trainings.start(self._asked(*values, overwrite=True))
        return [values[1].strip(), gradio.Column(visible=False)]

    def _asked(self, *values: Any, overwrite: bool = False) -> Asked:
        data, name, model, recipe, direction, size, batch_size, epochs, minutes, more = values
        return asked(self.home, Wish(
            (data or "").strip(), (name or "").strip(), model or "", recipe, direction, size or "", batch_size,
            epochs, minutes or 0, more or "", overwrite))

    def _free_name(self, name: str) -> str:
        taken = self.trainings.names()
        return next(one for one in (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3)))
                    if one not in taken)


def build_form(home: Home, trainings: Trainings, tab: gradio.Tab, chosen: gradio.State) -> Form:
    """The form and what it does. chosen: the folder that was looked at in the Data room, '' for none."""
    do = Handlers(home, trainings)
    gradio.Markdown(WELCOME)
    wish = _fields()
    command = gradio.Textbox(label="The command that is started, as it would be typed", interactive=False, lines=2,
                             max_lines=6, buttons=["copy"], visible=False, elem_id="command", elem_classes="command")
    said = gradio.HTML(elem_id="form-said")
    with gradio.Row(equal_height=False):
        time = gradio.Button("How long will it take?", elem_id="time", min_width=160)
        start = gradio.Button("Start the training", variant="primary", elem_id="start", min_width=160)
    takes = gradio.Markdown(elem_id="estimate", sanitize_html=True)
    with gradio.Column(visible=False, elem_id="question") as question:
        there = gradio.HTML()
        with gradio.Row():
            anew = gradio.Button("Start anew, and remove the run there", variant="stop", elem_id="anew")
            leave = gradio.Button("Leave it as it is", elem_id="leave")
    started, before, choice = gradio.State(""), gradio.State(""), gradio.State(Choice("", "", OWN))

    data, name, model, recipe, *numbers = wish
    chosen_here = [data, model, recipe, choice]
    followers = [choice, name, model, recipe, *numbers[:4]]
    tab.select(do.enter, [chosen, before, *chosen_here], [data, before, *followers], **QUIET)
    for name_of, one in zip(Choice._fields, (data, model, recipe), strict=True):
        one.input(partial(do.choose, name_of), chosen_here, followers, **QUIET)
    gradio.on([field.change for field in wish], do.change, wish, [command, said, takes, question],
              trigger_mode="always_last", **QUIET)
    time.click(lambda: TIMING, None, takes, **QUIET).then(
        told(do.time), wish, takes, api_visibility="private", show_progress_on=takes)
    leave.click(lambda: gradio.Column(visible=False), None, question, **QUIET)
    return Form(started, [
        start.click(told(do.start), wish, [started, question, there], **QUIET),
        anew.click(told(do.start_anew), wish, [started, question], **QUIET)])


def _fields() -> list[Any]:
    """The fields, in the order of a Wish."""
    with gradio.Row(equal_height=False):
        data = gradio.Dropdown([], value=None, label="Folder of pictures", allow_custom_value=True, scale=2,
                               elem_id="train-data", info="One that was found, or a path.")
        name = gradio.Textbox(label="Name of the run", max_lines=1, scale=1, elem_id="train-name",
                              info="Everything that is learned goes to a folder of that name.")
    with gradio.Row(equal_height=False):
        model = gradio.Dropdown(models_to_train(), value="pix2pix", label="Model", elem_id="train-model",
                                info="pix2pix learns from pairs, CycleGAN from two piles.")
        recipe = gradio.Dropdown([("none: the model's own settings", OWN), *((name, name) for name in recipes())],
                                 value=OWN, label="Recipe", elem_id="train-recipe",
                                 info="Settings that belong together; those of the papers, or small ones.")
        direction = gradio.Radio([("A to B", "AtoB"), ("B to A", "BtoA")], value="AtoB", label="Direction",
                                 elem_id="train-direction", info="Which side becomes which.")
    with gradio.Row(equal_height=False):
        size = gradio.Textbox(label="Size in pixels", max_lines=1, min_width=140, elem_id="train-size",
                              info="Or H,W. Half is four times as fast.")
        batch = gradio.Number(1, label="Batch size", precision=0, min_width=140, elem_id="train-batch",
                              info="Pictures a step; 1 is usual.")
        epochs = gradio.Number(200, label="Epochs", precision=0, min_width=140, elem_id="train-epochs",
                               info="How often it sees each picture.")
        minutes = gradio.Number(0, label="At most so many minutes", min_width=140,
                                elem_id="train-minutes", info="0: no limit. It can go on later.")
    with gradio.Accordion("Other flags", open=False, elem_id="train-others"):
        more = gradio.Textbox(label="As for train.py", max_lines=4, elem_id="train-more",
                              placeholder="--netG resnet_6blocks --ngf 32 --ema 0.999",
                              info="python train.py --model pix2pix --help lists them all.")
    return [data, name, model, recipe, direction, size, batch, epochs, minutes, more]
