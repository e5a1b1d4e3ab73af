"""evaluate.py compare: the same inputs through several methods, as a page and as a figure for print."""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.options import MeasureOptions
from evaluation.whole_numbers import whole_number
from options.parser import HelpAsked
from options.schema import OptionError, Options, assemble, did_you_mean
from util.errors import UserError, exit_on
from util.files import require_places
from util.notices import say

if TYPE_CHECKING:  # --help answers without torch
    from evaluation.comparing import Method

DESCRIPTION = """The same inputs through several methods: a page, index.html, and a figure for print, comparison.png.

Each folder is one of results (results/NAME/test_latest) or of a run (checkpoints/NAME), which is translated first.
Other flags than these are test.py's, for all runs, and stand behind the folders."""
MEASURING = ("metrics", "palette", "features", "feature_weights")  # options of evaluate.py
TAKEN = ("--name", "--checkpoints_dir")  # flags of test.py for which the folders stand


def main(argv: list[str]) -> None:
    """The command. Exit code 0 after writing a comparison, 2 for folders that cannot be compared."""
    args, words = parser().parse_known_args(argv)
    with exit_on(UserError, OptionError, HelpAsked):
        compare(args, words)


def parser() -> argparse.ArgumentParser:
    """What the command understands beside the flags of test.py."""
    declared = assemble([MeasureOptions])
    result = argparse.ArgumentParser("evaluate.py compare", description=DESCRIPTION, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage="evaluate.py compare FOLDER FOLDER ... [options] [flags of test.py]")
    result.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of results or of a run; a column each")
    result.add_argument("--titles", type=_words, metavar="'Ours,pix2pix'",
                        help="what the columns are called; left out: as the runs")
    result.add_argument("--fake", type=_words, default=["fake_B"], metavar="fake_A",
                        help="the direction: fake_B (left out) or fake_A, of all; or one each, with commas between")
    for name in MEASURING:
        option = declared[name]
        result.add_argument(f"--{name}", type=option.read, default=option.default, metavar="X", help=option.help)
    result.add_argument("--rows", type=whole_number(1), default=6, metavar="N",
                        help="how many inputs the figure shows, from the first (6); the page shows all")
    result.add_argument("--names", action="append", metavar="a,b,c", help="or which ones, in this order")
    result.add_argument("--row_names", action="store_true", help="write their names at the left of the figure")
    result.add_argument("--cell", type=whole_number(1), default=256, metavar="PIXELS",
                        help="the width of each picture in the figure (256)")
    result.add_argument("--output", type=Path, default=Path("results/comparison"), metavar="FOLDER",
                        help="where the comparison goes (results/comparison); an earlier one there is replaced")
    result.add_argument("--overwrite", action="store_true",
                        help="write into a folder that holds something else, among what is there")
    result.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file too")
    return result


def compare(args: argparse.Namespace, words: Sequence[str]) -> None:
    """Translate what is not translated yet, find what all share, measure it, show it."""
    from evaluation.choice import choose
    from evaluation.command_line import Asked
    from evaluation.compared_numbers import measure_all
    from evaluation.comparing import shared_rows
    from evaluation.comparison_folder import Comparison, require_folder
    from evaluation.files import write_json
    from evaluation.tables import table

    refuse(args, words)
    require_places({"--json": args.json})
    choice = choose(Asked(_measuring(args)))
    require_folder(args.output, args.folders, args.overwrite)
    methods = open_methods(args, words)
    require_folder(args.output, [method.folder for method in methods], args.overwrite)
    names, notices = shared_rows(methods)
    say(notices)
    in_figure = require_known(args.names, names) if args.names else names[:args.rows]
    measured = measure_all(methods, names, choice)
    everything = [one for one in measured if one]
    print(table(everything))

    comparison = Comparison(args.output, methods, names)
    comparison.write_pictures()
    figure = comparison.write_figure(in_figure, args.row_names, args.cell)
    page = comparison.write_page(measured)
    if args.json:
        write_json(args.json, everything)
    print(f"figure: {figure}\npage: {page}")


def refuse(args: argparse.Namespace, words: Sequence[str]) -> None:
    """UserError for a command line that cannot be meant."""
    if len(args.folders) < 2:
        raise UserError(f"there is only {args.folders[0]} to compare; give two or more folders")
    for flag in TAKEN:
        if any(word.partition("=")[0] == flag for word in words):
            raise UserError(f"{flag}: the folder of a run, such as checkpoints/NAME, says it; leave the flag out")
    for name, given in (("--titles", args.titles), ("--fake", args.fake)):
        if given and len(given) != len(args.folders) and not (name == "--fake" and len(given) == 1):
            raise UserError(f"{name} has {len(given)} ({', '.join(given)}) for {len(args.folders)} folders; give one "
                            "for each, with commas between")


def open_methods(args: argparse.Namespace, words: Sequence[str]) -> list[Method]:
    """What each folder holds, after the runs among them were translated."""
    from evaluation.comparing import open_method, with_titles
    from evaluation.translated_run import plan, translate
    from runs.run_folder import holds_a_run

    tests = {folder: plan(folder, words) for folder in args.folders if holds_a_run(folder)}
    if words and not tests:
        flag = words[0].partition("=")[0]
        near = did_you_mean(flag, [f"--{name}" for name in vars(args)])
        raise UserError(f"{flag} is not an option here{near}; those of test.py are for runs (checkpoints/NAME), and "
                        "these folders hold results")
    by_results = {test.results.resolve(): test for test in tests.values()}
    for test in tests.values():
        other = by_results[test.results.resolve()]
        if other.run != test.run:
            raise UserError(f"the results of both {test.run} and {other.run} go to {test.results}; translate one by "
                            "test.py with another --results_dir, and give its folder of results here")
    for test in by_results.values():
        translate(test, say)
    fakes = args.fake * len(args.folders) if len(args.fake) == 1 else args.fake
    folders = [tests[folder].results if folder in tests else folder for folder in args.folders]
    return with_titles([open_method(folder, fake) for folder, fake in zip(folders, fakes, strict=True)], args.titles)


def require_known(given: Sequence[str], names: Sequence[str]) -> list[str]:
    """The inputs that are asked for. UserError for one that is not there."""
    wanted = [name for text in given for name in ([text] if text in names else _words(text))]
    for name in wanted:
        if name not in names:
            raise UserError(f"--names {name!r} is not among the {len(names)} inputs that all methods have"
                            f"{did_you_mean(name, names)}; for example {', '.join(names[:5])}")
    return wanted


def _measuring(args: argparse.Namespace) -> MeasureOptions:
    declared = assemble([MeasureOptions])
    values = {name: option.default for name, option in declared.items()}
    values |= {name: getattr(args, name) for name in MEASURING}
    return Options(values, dict.fromkeys(values, ""), declared, []).view(MeasureOptions)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]
