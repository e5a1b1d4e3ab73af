"""What is new of the trainings since a window asked last."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runs.run_folder import LOGS, holds_a_run
from studio.new_lines import ending
from studio.processes import memory_in_words
from studio.standing_view import label, standing_html
from studio.trainings import LOG, Standing, Trainings
from studio.watched import Strips, Watched

WATCHED = 20  # runs whose curves are kept in memory
LINES = 40  # of the log


@dataclass(frozen=True)
class Part:
    """A part of what is shown. state: another one when it is to be shown anew; make: what is shown then."""

    state: Any
    make: Callable[[], Any]


@dataclass(frozen=True)
class List:
    """The trainings to choose from, as (line, name), and the one that is looked at."""

    choices: list[tuple[str, str]]
    name: str | None


@dataclass(frozen=True)
class Can:
    """What can be done with the training that is looked at."""

    stop: bool
    go_on: bool


class News:
    """The trainings as windows show them; any number of windows share what was read."""

    def __init__(self, trainings: Trainings):
        self.trainings, self.strips = trainings, Strips()
        self._watched: dict[str, Watched] = {}

    def parts(self, name: str | None) -> tuple[dict[str, Part], bool]:
        """The parts by name, and whether any training is at work. name: which one is looked at, if it is there."""
        standings = [self.trainings.standing(run) for run in self.trainings.names()]
        chosen = next((one for one in standings if one.name == name), standings[0] if standings else None)
        choices = [(label(one), one.name) for one in standings]
        at_work = any(one.at_work for one in standings)
        parts = {"list": _whole(List(choices, chosen.name if chosen else None)),
                 "standing": _whole(standing_html(chosen, self._memory(chosen))),
                 "can": _whole(self._can(chosen)), "line": _whole(chosen.line if chosen else ""),
                 "log": _whole(self._log(chosen))}
        if not chosen:
            return parts, at_work
        watched, folder = self._watch(chosen.name), self.trainings.checkpoints / chosen.name
        version, page = watched.look(), self.strips.changed(folder)
        return parts | {"losses": Part((chosen.name, version), watched.losses),
                        "validation": Part((chosen.name, version), watched.validation),
                        "strip": Part((chosen.name, page), lambda: self.strips.html(folder))}, at_work

    def _watch(self, name: str) -> Watched:
        while name not in self._watched and len(self._watched) >= WATCHED:
            self._watched.pop(next(iter(self._watched)))
        return self._watched.setdefault(name, Watched(self.trainings.checkpoints / name))

    def _can(self, standing: Standing | None) -> Can:
        if not standing:
            return Can(stop=False, go_on=False)
        there = holds_a_run(self.trainings.checkpoints / standing.name)
        return Can(standing.state in ("starting", "running"), there and not standing.at_work)

    def _memory(self, standing: Standing | None) -> str:
        process = self.trainings.process(standing.name) if standing and standing.at_work else None
        return memory_in_words(process) if process else ""

    def _log(self, standing: Standing | None) -> str:
        """The last lines that the training wrote."""
        if not standing:
            return ""
        text = ending(self.trainings.checkpoints / standing.name / (LOG if standing.line else LOGS[0]), 6000)
        return "\n".join([line for line in text.splitlines() if line.strip()][-LINES:])


def _whole(value: Any) -> Part:
    """A part that is shown anew when it is another one."""
    return Part(value, lambda: value)


def new_to(seen: Mapping[str, Any], parts: Mapping[str, Part]) -> dict[str, Any]:
    """What a window does not show yet. seen: the states of what it shows."""
    return {name: part.make() for name, part in parts.items() if name not in seen or seen[name] != part.state}
