"""The translate room."""
from __future__ import annotations

import gradio

from studio.home import Home


def build(home: Home, tab: gradio.Tab, chosen: gradio.State) -> None:
    """Fill the tab. tab: its select event tells that a person comes in; chosen: the folder of images, '' for none."""
    gradio.Markdown("")
