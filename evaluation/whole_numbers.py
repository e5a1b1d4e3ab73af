"""Flags that are whole numbers, for argparse."""
import argparse
from collections.abc import Callable


def whole_number(least: int, most: int = 10 ** 9) -> Callable[[str], int]:
    """Reads a whole number from `least` to `most`."""
    def read(word: str) -> int:
        if not (word.isdecimal() and len(word) <= len(str(most)) and least <= int(word) <= most):
            upper = f"from {least} to {most}" if most < 10 ** 9 else f"of {least} or more"
            raise argparse.ArgumentTypeError(f"{word!r} is no whole number {upper}")
        return int(word)
    return read
