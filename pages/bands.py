"""Which bands of a picture are shown, where it has others than one gray or red, green and blue."""
from collections.abc import Sequence

from util.errors import UserError

FLAG = "--show_bands"


def read_bands(text: str, channels: Sequence[int]) -> tuple[int, ...]:
    """The bands that --show_bands names, counted from 1; () where it is left out. channels: that pictures have.

    UserError, with what to type, for anything but one or three bands that some picture has.
    """
    if not text:
        return ()
    try:
        bands = tuple(int(word) for word in text.split(","))
    except ValueError:
        bands = ()
    if len(bands) not in (1, 3) or min(bands) < 1:
        raise UserError(f"{FLAG} {text} names no bands; expected one, shown as gray, or three, shown as red, green and "
                        f"blue, counted from 1, such as {FLAG} 4,3,2")
    several = [count for count in channels if count not in (1, 3)]
    if max(bands) > max(several, default=0):
        found = f"have at most {max(several)} bands" if several else "are all gray or RGB, and shown as such"
        raise UserError(f"{FLAG} {text}: the pictures {found}; leave it out, or name others")
    return bands


def shown_bands(channels: int, bands: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The bands to show of a picture with so many, counted from 1: one or three.

    Gray and RGB are shown as they are; of others those of `bands`, if the picture has them, else the first three, or of
    two the first.
    """
    if channels in (1, 3):
        return tuple(range(1, channels + 1))
    if bands and max(bands) <= channels:
        return bands
    return (1,) if channels == 2 else (1, 2, 3)
