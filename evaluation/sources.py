"""What evaluate.py was asked to measure."""
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evaluation.a_run import a_run
from evaluation.choice import Choice
from evaluation.command_line import Asked
from evaluation.results import results
from evaluation.samples import Source, told_apart
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
        names = told_apart([source.result for source in found], [source.where for source in found])
        yield from (replace(source, result=name) for source, name in zip(found, names, strict=True))
