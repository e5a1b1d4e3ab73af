"""The page of the app: three rooms, each a tab."""
from __future__ import annotations

import gradio

from studio import data_room, train_room, translate_room
from studio.home import Home

UPLOADS = (3600, 86_400)  # once an hour, what was dropped a day ago is removed: seconds
ROOMS = {"Data": data_room, "Train": train_room, "Translate": translate_room}


def build_page(home: Home) -> gradio.Blocks:
    """The page, ready to be launched."""
    with gradio.Blocks(title="Bothways", analytics_enabled=False, delete_cache=UPLOADS) as page:
        gradio.Markdown("# Bothways", elem_id="title")
        chosen = gradio.State("")  # the folder of images that the person looks at, for the rooms that come after
        for name, room in ROOMS.items():
            with gradio.Tab(name, id=name) as tab:
                room.build(home, tab, chosen)
    return page
