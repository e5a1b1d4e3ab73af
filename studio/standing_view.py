"""How trainings stand, in words. Names stay text: what is HTML here escapes them."""
from __future__ import annotations

from pathlib import PurePath

from dominate import tags

from studio.estimates import in_words
from studio.trainings import Standing

NOTHING = "Nothing was trained here yet. The trainings that you start are listed here; they go on when you close the " \
          "page, and when the app ends."

SILENT = ("It ended without a word: it was killed, perhaps for too little memory, or the machine went down. It goes on "
          "from its last save.")


def label(standing: Standing) -> str:
    """The training in a line, for the list."""
    data = PurePath(standing.data).name
    return " · ".join(part for part in (standing.name, standing.model, data, progress(standing)) if part)


def progress(standing: Standing) -> str:
    """The state, and how far it is: 'running, epoch 3 of 10, 4 min left'."""
    parts = [standing.state]
    if standing.epoch:
        parts.append(f"epoch {standing.epoch}" + (f" of {standing.last_epoch}" if standing.last_epoch else ""))
    if standing.state == "running" and standing.seconds_left:
        parts.append(f"{in_words(standing.seconds_left)} left")
    return ", ".join(parts)


def standing_html(standing: Standing | None, memory: str) -> str:
    """The training that is looked at, in a paragraph. memory: what its process takes, '' when it has none."""
    if standing is None:
        return tags.p(NOTHING).render(pretty=False)
    pace = f"{standing.images_per_s:.3g} images/s" if standing.at_work and standing.images_per_s else ""
    facts = ". ".join(part for part in (pace, memory) if part)
    with tags.div(cls=f"standing {standing.state}") as result:
        tags.p(tags.b(standing.name), f": {progress(standing)}. {facts}")
        if advice := _advice(standing):
            tags.p(advice)
        if standing.said:
            tags.pre(standing.said, style="white-space: pre-wrap; overflow-wrap: anywhere")
    return result.render(pretty=False)


def _advice(standing: Standing) -> str:
    return {
        "starting": "It looks at all images first, before the first step.",
        "stopping": "It ends when the step is done and its state is saved.",
        "stopped": "It can go on exactly where it stopped.",
        "finished": "The room Translate uses it.",
        "died": "Its last words:" if standing.said else SILENT,
    }.get(standing.state, "")
