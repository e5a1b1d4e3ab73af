"""Measure translations: of test.py's results, of two folders of images, or of a run.

python evaluate.py results/maps/test_latest --metrics mae,psnr,ssim
"""
from __future__ import annotations

import importlib
import sys
from pathlib import Path

from evaluation.command_line import Asked, read_line
from options.parser import HelpAsked
from options.schema import OptionError
from util.errors import UserError, exit_on
from util.files import require_places
from util.notices import say

COMMANDS = {  # of evaluation/NAME_command.py, each with a main(argv)
    "compare": "one page and one picture of the same inputs through several runs",
    "fcn": "score generated photos by a segmentation network: the FCN score of the papers",
    "study": "a page that asks people which picture is real, and the score of their answers",
}


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 0 after measuring, 2 when there is nothing that can be measured, 1 for the machine.

    Of several folders of results those are left out, and named, that no metric fits; it is 2 when that is all of them.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] and argv[0] in COMMANDS:
        importlib.import_module(f"evaluation.{argv[0]}_command").main(argv[1:])
        return
    with exit_on(UserError, OptionError, HelpAsked):
        asked = read_line(argv, __doc__.splitlines()[0], COMMANDS)
        say(asked.notices)
        from engine.shortage import explain_shortage  # torch comes only from here on: --help answers at once
        from opening import MEMORY_ADVICE
        with explain_shortage(MEMORY_ADVICE):
            evaluate(asked)


def evaluate(asked: Asked) -> None:
    """Measure everything, show the table, and write the files. NothingToMeasure when no metric fits anything."""
    from evaluation.choice import choose
    from evaluation.files import write_csv, write_into, write_json
    from evaluation.measuring import NothingToMeasure, measure
    from evaluation.sources import sources
    from evaluation.tables import table

    require_places({"--json": asked.opt.json, "--csv": asked.opt.csv})
    choice, measured, misfits = choose(asked), [], []
    for source in sources(asked, choice):
        say(source.notices)
        try:
            measured.append((source, measure(source, choice)))
        except NothingToMeasure as misfit:
            misfits.append(str(misfit))
    if not measured:
        raise NothingToMeasure("\n".join(misfits))
    everything = [one for _, of_source in measured for one in of_source]
    print(table(everything))
    say(f"note: {misfit}" for misfit in misfits)
    if asked.opt.json:
        write_json(Path(asked.opt.json), everything)
    if asked.opt.csv:
        write_csv(Path(asked.opt.csv), everything)
    for source, of_source in measured:
        if source.folder:
            print(f"page: {write_into(source.folder, of_source)}")


if __name__ == "__main__":
    main()
