"""From a command line to frozen options.

A value comes from, weakest first: the option's field, the model's default, the dataset's default,
the trained run (test.py), the command line and the @files named on it, the later one winning.
"""
import shlex
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from options.classic import modernize
from options.schema import Group, Option, OptionError, Options, assemble, did_you_mean


@dataclass(frozen=True)
class Command:
    """What a command knows of its options before the line is read.

    find_model / find_dataset: from a name to a class with `option_groups(phase)` and `defaults(phase)`.
    """

    program: str
    phase: str
    description: str
    groups: tuple[type[Group], ...]
    find_model: Callable[[str], type]
    find_dataset: Callable[[str], type]
    model_names: Callable[[], list[str]]


PATH_PARTS = ("name", "phase", "epoch", "model_suffix")
LONGEST_PART = 200  # bytes; a file name has at most 255, and something is appended to it

Given = dict[str, tuple[Any, str]]
"""Values by option name, each with its source."""


class _Parser(ArgumentParser):
    def error(self, message: str) -> None:
        raise OptionError(message)


def parse(command: Command, argv: Sequence[str], adopt: Callable[[Options], Given] = lambda opt: {}) -> Options:
    """The frozen options of `argv`. Notices go to stdout; --help prints and leaves with code 0.

    adopt: given the options so far, values with sources that replace defaults (test.py: those of the trained run).
    Raises OptionError when the line is wrong.
    """
    chunks = _chunks(argv)
    first_words = [token for _, tokens in chunks for token in tokens]
    wants_help = "--help" in first_words or "-h" in first_words
    if wants_help and not any(word.partition("=")[0] == "--model" for word in first_words):
        print(_short_help(command))
        raise SystemExit(0)
    defaults: Given = {}
    groups = [*command.groups]
    for flag, find in (("model", command.find_model), ("dataset_mode", command.find_dataset)):
        chosen = find(_peek(flag, chunks, assemble(command.groups)[flag], defaults))
        groups += chosen.option_groups(command.phase)
        defaults |= {name: (value, f"{flag.split('_')[0]} default")
                     for name, value in chosen.defaults(command.phase).items()}
    declared = _with_defaults(assemble(groups), defaults)
    parser = _parser(command, declared)
    if wants_help:
        parser.print_help()
        raise SystemExit(0)
    given = _read(parser, chunks, declared)
    adopted = adopt(_freeze(declared, defaults, given))
    opt = _freeze(declared, defaults | adopted, given)
    missing = [f"--{o.name}" for o in declared.values() if o.required and getattr(opt, o.name) is None]
    if missing:
        raise OptionError(f"{', '.join(missing)} is missing. For example: {command.program} "
                          f"--dataroot ./datasets/toy_maps --model {opt.model}")
    return opt


def _chunks(argv: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The words of the line in order, each run of them with its source; @files are read, old spellings renewed."""
    chunks, said = [], []
    for word in argv:
        if word.startswith("@"):
            chunks.append((word, _read_file(word[1:])))
        elif chunks and chunks[-1][0] == "command line":
            chunks[-1][1].append(word)
        else:
            chunks.append(("command line", [word]))
    modern = []
    for source, tokens in chunks:
        tokens, notices = modernize(tokens)
        modern.append((source, tokens))
        said += [notice for notice in notices if notice not in said]
    if said:
        print("\n".join(said))
    return modern


def _read_file(path: str) -> list[str]:
    """The flags in a text file, split as a shell splits words; # begins a comment."""
    try:
        with open(path, encoding="utf-8") as file:
            return shlex.split(file.read(), comments=True)
    except OSError as error:
        raise OptionError(f"the file of flags @{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise OptionError(f"the file of flags @{path} is not well formed: {error}") from None


def _peek(flag: str, chunks: list[tuple[str, list[str]]], declared: Option, defaults: Given) -> str:
    """The value of `flag` on the line, or its default."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{flag}", default=SUPPRESS)
    value = defaults.get(flag, (declared.default,))[0]
    for _, tokens in chunks:
        value = getattr(parser.parse_known_args(tokens)[0], flag, value)
    return value


def _with_defaults(declared: dict[str, Option], defaults: Given) -> dict[str, Option]:
    for name, (value, source) in defaults.items():
        if name not in declared:
            raise TypeError(f"a {source} names --{name}, which nobody declares")
        declared[name] = replace(declared[name], default=value)
    return declared


def _parser(command: Command, declared: Mapping[str, Option]) -> ArgumentParser:
    parser = _Parser(command.program, description=command.description, allow_abbrev=False,
                     usage=f"{command.program} [options]", formatter_class=RawDescriptionHelpFormatter)
    sections: dict[str, Any] = {}
    for opt in declared.values():
        section = sections.get(opt.group) or sections.setdefault(opt.group, parser.add_argument_group(opt.group))
        choices = f"{' | '.join(opt.choices)}. " if opt.choices else ""
        default = "required" if opt.required else f"default: {opt.default!s}" if opt.default != "" else "default: empty"
        section.add_argument(f"--{opt.name}", default=SUPPRESS, type=opt.read, metavar="true|false" if opt.is_flag else "X",
                             help=f"{choices}{opt.help} ({default})".replace("%", "%%"),
                             **({"nargs": "?", "const": True} if opt.is_flag else {}))
    return parser


def _read(parser: ArgumentParser, chunks: list[tuple[str, list[str]]], declared: Mapping[str, Option]) -> Given:
    given: Given = {}
    for source, tokens in chunks:
        found, unknown = parser.parse_known_args(tokens)
        if unknown:
            flags = [f"--{name}" for name in declared]
            flag = unknown[0].partition("=")[0]
            longer = [f for f in flags if len(flag) > 2 and f.startswith(flag)]
            near = f" (did you mean {' or '.join(longer)}?)" if longer else did_you_mean(flag, flags)
            raise OptionError(f"{flag} is not an option here{near}. "
                              f"See {parser.prog} --model NAME --help for all of them")
        given |= {name: (value, source) for name, value in vars(found).items()}
    return given


def _freeze(declared: Mapping[str, Option], defaults: Given, given: Given) -> Options:
    rows = {name: (opt.default, "default") for name, opt in declared.items()} | defaults | given
    values = {name: value for name, (value, _) in rows.items()}
    if values.get("suffix"):  # --suffix "{netG}_{load_size}" names the run after its options
        values["name"] = f"{values['name']}_{_suffix(values)}"
    _refuse_strange_paths(values)
    return Options(values, {name: source for name, (_, source) in rows.items()}, declared)


def _refuse_strange_paths(values: Mapping[str, Any]) -> None:
    """OptionError when an option that names files or folders would lead out of the folder they belong to."""
    for name in [name for name in PATH_PARTS if name in values]:
        path, shown = PurePath(values[name]), f"--{name} {values[name]!r}"
        if path.is_absolute() or ".." in path.parts or name == "name" and not path.parts:
            raise OptionError(f"{shown} does not stay in its folder; expected a name, or names with / between them, without "
                              "'..' and without / in front. The folder of all runs is --checkpoints_dir")
        if "\0" in str(path) or any("\ud800" <= character <= "\udfff" for character in str(path)):
            raise OptionError(f"{shown} holds what is no character; expected a name of Unicode characters")
        length = max((len(part.encode()) for part in path.parts), default=0)
        if length > LONGEST_PART:
            raise OptionError(f"{shown} is {length} bytes long; expected at most {LONGEST_PART}, so that it fits a file name")


def _suffix(values: Mapping[str, Any]) -> str:
    try:
        return values["suffix"].format_map(values)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise OptionError(f"--suffix {values['suffix']!r} names options in braces, such as {{netG}}; "
                          f"this could not be filled in: {error}") from None


def _short_help(command: Command) -> str:
    common = [opt for opt in assemble(command.groups).values() if opt.common]
    rows = [f"  --{opt.name:<22}{opt.help}{'' if opt.required else f' (default: {opt.default})'}" for opt in common]
    return "\n".join([
        command.description, "", f"usage: {command.program} --dataroot FOLDER --name NAME --model MODEL [options]", "",
        "models:  " + ", ".join(command.model_names()), "", "the options used most:", *rows, "",
        f"{command.program} --model NAME --help  lists every option of that model with its defaults.",
        "@FILE on the command line reads flags from a text file.",
    ])
