"""What the rooms want to tell the user: they return it, the commands print it."""
from collections.abc import Iterable


def say(notices: Iterable[str]) -> None:
    """Print a line each. For commands only."""
    for notice in notices:
        print(notice)
