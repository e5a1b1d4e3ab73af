"""What evaluate.py is asked for: folders of results, two folders of images, or a run."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import data
import models
from evaluation.options import MeasureOptions
from opening import adopt_run
from options.command_line import Command, parse
from options.groups import TestCommandOptions
from options.parser import HelpAsked, build_parser, read_words, refuse_unknown
from options.schema import OptionError, Options, assemble

COMMAND = Command(
    program="evaluate.py", phase="test", description="Measure a run, which translates in memory.",
    groups=(TestCommandOptions, MeasureOptions), find_model=models.find, find_dataset=data.find,
    model_names=models.names, dataset_names=data.names)

USAGE = """\
usage: evaluate.py RESULTS [RESULTS ...]                 folders that test.py wrote, such as results/maps/test_latest
       evaluate.py --real FOLDER --fake FOLDER           images of anybody; equal names are pairs
       evaluate.py --name NAME --dataroot FOLDER ...     a run and every option of test.py: writes no pictures"""


@dataclass(frozen=True)
class Asked:
    """opt: how to measure; then folders of results, or a run by the options of a test, or opt.real and opt.fake."""

    opt: MeasureOptions
    results: Sequence[Path] = ()
    run: Options | None = None

    @property
    def notices(self) -> Sequence[str]:
        """What the user should be told of the command line."""
        return self.run.notices if self.run else ()


def read_line(argv: Sequence[str], description: str, commands: Mapping[str, str]) -> Asked:
    """What the command line asks for. OptionError when that is not clear, HelpAsked with the text of --help.

    commands: of evaluate.py's own, with what they do.
    """
    declared = assemble([MeasureOptions])
    parser = build_parser("evaluate.py", description, declared, testing=False)
    given, words = read_words(parser, argv, declared)
    about_a_run = any(word.startswith(("-", "@")) for word in words) and words[0].startswith(("-", "@"))
    if given.pop("help", False) and not any(word.partition("=")[0] == "--model" for word in words):
        raise HelpAsked(_help(description, commands))
    if about_a_run and not ("real" in given or "fake" in given):
        options = parse(COMMAND, argv, lambda opt: adopt_run(opt, COMMAND))
        return Asked(options.view(MeasureOptions), run=options)
    refuse_unknown([word for word in words if word.startswith("-")], "evaluate.py", declared)
    values = {name: option.default for name, option in declared.items()} | given
    opt = Options(values, dict.fromkeys(values, ""), declared, []).view(MeasureOptions)
    folders = bool(opt.real) + bool(opt.fake)
    if folders == 1:
        raise OptionError("--real and --fake belong together: the folder of real images and that of translations")
    if bool(words) == bool(folders):
        found = "both folders of results and --real, --fake" if words else "no folder and no run"
        raise OptionError(f"found {found}; expected one of these:\n{USAGE}")
    return Asked(opt, [Path(word) for word in words])


def _help(description: str, commands: Mapping[str, str]) -> str:
    import metrics

    options = [f"  --{name:<17}{option.help}" for name, option in assemble([MeasureOptions]).items()]
    own = [f"  {name:<10}{what}" for name, what in commands.items()]
    return "\n".join([
        description, "", USAGE, "", "metrics:", f"  {', '.join(metrics.names())}", "", "options:", *options, "",
        "commands of their own, each with its --help, such as evaluate.py study --help:", *own, "",
        "evaluate.py --model NAME --help  lists every option of a run. Exit code: 0 measured, 2 bad usage, 1 machine."])
