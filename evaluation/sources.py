"""What evaluate.py was asked to measure."""
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evaluation.a_run import a_run
from evaluation.choice import Choice
from evaluation.command_line import Asked
from evaluation.results import results
from evaluation.samples import Source
from evaluation.two_folders import two_folders


def sources(asked: Asked, choice: Choice) -> Iterator[Source]:
    """Each as it is opened. UserError when it cannot be.

    Results of one name are told apart by their folders.
    """
    if asked.run:
        yield a_run(asked.run)
    elif asked.opt.real:
        yield two_folders(Path(asked.opt.real), Path(asked.opt.fake), choice)
    else:
        found = [results(folder) for folder in dict.fromkeys(asked.results)]
        uses = Counter(source.result for source in found)
        yield from (source if uses[source.result] == 1 else replace(source, result=source.where) for source in found)
