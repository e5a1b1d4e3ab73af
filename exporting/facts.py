"""What a run knows of itself."""
from dataclasses import dataclass

from door.translator import Translator


@dataclass(frozen=True)
class Facts:
    """model: that was trained; direction: AtoB or BtoA."""

    name: str
    model: str
    direction: str


def gather(translator: Translator) -> Facts:
    """The facts of the run that a translator was opened from."""
    opt = translator.opt
    return Facts(opt.name, opt.model, opt.direction)
