"""How a training ended, as the last lines of its log tell."""
from __future__ import annotations

from dataclasses import dataclass

GOES_ON = "; --continue_train goes on from here"  # such a line may begin with the bar


@dataclass(frozen=True)
class Ending:
    """state: as in Standing; said: why, for one that died; '' when it had no time to say so."""

    state: str
    said: str = ""


def how_it_ended(log: str) -> Ending:
    """How the training ended whose words are `log`, the last ones at least."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    stopped = any("stopped by " in line and line.endswith(GOES_ON) for line in lines)
    if stopped or (lines and lines[-1].startswith(("interrupted", "KeyboardInterrupt"))):
        return Ending("stopped")
    if any(line.startswith(("weights: ", "nothing is left to train")) for line in lines):
        return Ending("finished")
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if errors:
        return Ending("died", "\n".join(lines[errors[-1]:]).removeprefix("error: "))
    traces = [number for number, line in enumerate(lines) if line.startswith("Traceback ")]
    if traces:
        return Ending("died", lines[-1])
    return Ending("died")
