"""The Train room: start a training, and look at those that there are."""
from __future__ import annotations

import gradio

from studio.home import Home
from studio.new_training import build_form
from studio.trainings import Trainings
from studio.trainings_view import build_view


def build(home: Home, tab: gradio.Tab, chosen: gradio.State) -> None:
    """Fill the tab. tab: its select event tells that a person comes in; chosen: the folder of images, '' for none."""
    trainings = Trainings(home.checkpoints)
    form = build_form(home, trainings, tab, chosen)
    build_view(home, trainings, tab, form)
