"""What the bar of a training tells that nobody watches on a terminal: its log holds it, every 20 seconds or so."""
from __future__ import annotations

import re
from typing import NamedTuple

BAR = re.compile(r"epoch (\d+)/(\d+):[^\r\n]*?\| (\d+)/(\d+) \[[^,\]]*, +([\d.]+)( ?images/s|s/ ?images)\]")


class Bar(NamedTuple):
    """done, total: images; images_per_s: lately."""

    epoch: int
    last_epoch: int
    done: int
    total: int
    images_per_s: float

    @property
    def seconds_left(self) -> float:
        """At this pace."""
        return (self.total - self.done) / self.images_per_s if self.images_per_s else 0.0


def last_bar(log: str) -> Bar | None:
    """The newest bar in the text, None when there is none."""
    found = BAR.findall(log)
    if not found:
        return None
    epoch, last_epoch, done, total, pace, unit = found[-1]
    rate = float(pace) if unit.strip() == "images/s" else 1 / float(pace) if float(pace) else 0.0
    return Bar(int(epoch), int(last_epoch), int(done), int(total), rate)
