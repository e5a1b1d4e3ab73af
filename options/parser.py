"""What a command line may say: the parser of the declared options, and the two pages of help."""
import re
from argparse import SUPPRESS, ArgumentError, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from typing import Any

from options.schema import Option, OptionError, did_you_mean


class HelpAsked(Exception):
    """The user asked for help, which is the text; no error."""

    exit_code = 0


class _Parser(ArgumentParser):
    def error(self, message: str) -> Any:
        raise OptionError(message)


def build_parser(program: str, description: str, declared: Mapping[str, Option], testing: bool) -> ArgumentParser:
    """The parser of the declared options. It leaves out of its result what the line does not say.

    testing: its help then says what comes from the run, and leaves out what means nothing there.
    """
    parser = _Parser(program, description=description, allow_abbrev=False, exit_on_error=False, add_help=False,
                     usage=f"{program} [options]", formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("-h", "--help", action="store_true", default=SUPPRESS, help="show this page")
    sections: dict[str, Any] = {}
    for option in declared.values():
        if option.group not in sections:
            sections[option.group] = parser.add_argument_group(option.group)
        choices = [choice for choice in option.choices if choice]
        listed = f"{' | '.join(choices)}. " if len(choices) > 1 else ""
        shown = f"{listed}{option.help} ({_default(option, testing)})".replace("%", "%%")
        value = "true|false" if option.is_flag else choices[0] if len(choices) == 1 else "X"
        sections[option.group].add_argument(
            f"--{option.name}", default=SUPPRESS, type=option.read, metavar=value,
            help=SUPPRESS if testing and option.training_only else shown,
            **({"nargs": "?", "const": True} if option.is_flag else {}))
    return parser


def read_words(parser: ArgumentParser, words: Sequence[str], declared: Mapping[str, Option]
               ) -> tuple[dict[str, Any], list[str]]:
    """The values that the words give, and the words that nobody knows. OptionError for a wrong or a missing value."""
    try:
        found, unknown = parser.parse_known_args(_with_negative_values(words, declared))
    except ArgumentError as error:
        option = declared.get((error.argument_name or "").removeprefix("--"))
        if option and error.message.startswith("expected"):
            expected = ", ".join(filter(None, option.choices)) or option.help
            raise OptionError(f"--{option.name} needs a value: {expected}") from None
        raise OptionError(str(error)) from None
    return vars(found), unknown


def _with_negative_values(words: Sequence[str], declared: Mapping[str, Option]) -> list[str]:
    """`--input_range -160,240` as `--input_range=-160,240`: argparse would take the value for a flag."""
    joined: list[str] = []
    for word in words:
        option = declared.get(joined[-1].removeprefix("--")) if joined and joined[-1].startswith("--") else None
        if option and not option.is_flag and re.match(r"-\.?\d", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def refuse_unknown(unknown: Sequence[str], program: str, declared: Mapping[str, Option]) -> None:
    """OptionError, with the near ones, when there are words that nobody knows."""
    if not unknown:
        return
    flags = ["--help", *(f"--{name}" for name in declared)]
    flag = unknown[0].partition("=")[0]
    longer = [known for known in flags if len(flag) > 2 and known.startswith(flag)]
    near = f" (did you mean {' or '.join(longer)}?)" if longer else did_you_mean(flag, flags)
    raise OptionError(f"{flag} is not an option here{near}. See {program} --model NAME --help for all of them")


def short_help(program: str, description: str, declared: Mapping[str, Option], models: Sequence[str], testing: bool
               ) -> str:
    """One page: the options used most."""
    return "\n".join([
        description, "",
        f"usage: {program} --dataroot FOLDER --name NAME{'' if testing else ' --model MODEL'} [options]", "",
        "models:  " + ", ".join(models), "", "the options used most:", *options_used_most(declared, testing), "",
        f"{program} --model NAME --help  lists every option of that model with its defaults.",
        "@FILE on the command line reads flags from a text file.",
    ])


def options_used_most(declared: Mapping[str, Option], testing: bool = False) -> list[str]:
    """A line for each of them. testing: as for `build_parser`."""
    return [f"  --{option.name:<22}{option.help} ({_default(option, testing)})"
            for option in declared.values() if option.common]


def _default(option: Option, testing: bool) -> str:
    if option.required:
        return "required"
    if testing and (option.structure or option.sampling):
        return "left out: as in the run"
    return f"default: {option.default!s}" if option.default != "" else "default: empty"
