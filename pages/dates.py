"""Dates and durations as all pages show them."""
import time


def date(seconds: float) -> str:
    """A moment, in seconds since 1970, by the clock of this machine: "2026-03-01 09:30"."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def duration(seconds: float) -> str:
    """How long something took, in its two largest units: "40 s", "5 min", "2 h 5 min", "3 d 4 h"."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
