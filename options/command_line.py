"""From a command line to frozen options.

A value comes from, weakest first: the option's field, the model's default, the dataset's default,
the trained run (testing and going on), the command line and the @files named on it, the later one winning.
"""
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, Protocol

from options.classic import modernize
from options.parser import HelpAsked, build_parser, read_words, refuse_unknown, short_help
from options.schema import Given, Group, Option, OptionError, Options, assemble


class Owner(Protocol):
    """What a model and a dataset tell of their options."""

    @classmethod
    def option_groups(cls, phase: str) -> list[type[Group]]: ...

    @classmethod
    def defaults(cls, phase: str) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Command:
    """What a command knows of its options before the line is read. find_model / find_dataset: by name."""

    program: str
    phase: str
    description: str
    groups: tuple[type[Group], ...]
    find_model: Callable[[str], type[Owner]]
    find_dataset: Callable[[str], type[Owner]]
    model_names: Callable[[], list[str]]
    dataset_names: Callable[[], list[str]]


@dataclass(frozen=True)
class Adopted:
    """What a command takes over from a trained run: values with their source, and what the user should be told."""

    values: Given = field(default_factory=dict)
    notices: tuple[str, ...] = ()


PATH_PARTS = ("name", "phase", "epoch", "model_suffix")
LONGEST_PART = 200  # bytes; a file name has at most 255, and something is appended to it
CHOOSERS = ("model", "dataset_mode")  # whose values decide which other options there are

Chunks = list[tuple[str, list[str]]]
"""The words of a command line in order, each run of them with its source."""


def nothing_to_adopt(opt: Options) -> Adopted:
    """For a command line on its own."""
    return Adopted()


def parse(command: Command, argv: Sequence[str], adopt: Callable[[Options], Adopted] = nothing_to_adopt) -> Options:
    """The frozen options of `argv`.

    adopt: given the options so far, what replaces defaults. When it names another model or dataset it is called again,
    with the options of that one.
    Raises OptionError when the line is wrong, HelpAsked with the text of --help.
    """
    chunks, notices = _chunks(argv)
    words = [word for _, said in chunks for word in said]
    wants_help, testing = "--help" in words or "-h" in words, command.phase == "test"
    if wants_help and not any(word.partition("=")[0] == "--model" for word in words):
        raise HelpAsked(short_help(command.program, command.description, assemble(command.groups),
                                   command.model_names(), testing))
    line = _Line(command, chunks)
    if wants_help:
        raise HelpAsked(build_parser(command.program, command.description, line.declared, testing).format_help())
    opt = line.options({})
    adopted = adopt(opt)
    chosen = {name: adopted.values[name] for name in CHOOSERS if name in adopted.values}
    if any(value != opt.as_dict()[name] for name, (value, _) in chosen.items()):
        line = _Line(command, chunks, chosen)
        adopted = adopt(line.options(chosen, opt.as_dict()["name"]))
    refuse_unknown(line.unknown, command.program, line.declared)
    opt = line.options(adopted.values, opt.as_dict()["name"], (*notices, *adopted.notices))
    missing = [f"--{name}" for name, option in line.declared.items() if option.required and opt.as_dict()[name] is None]
    if missing:
        raise OptionError(f"{', '.join(missing)} is missing. For example: {command.program} "
                          f"--dataroot ./datasets/toy_maps --model {opt.as_dict()['model']}")
    return opt


class _Line:
    """A command line, read with the options of the model and the dataset that it names, or else `chosen` does.

    declared: with their defaults; unknown: words that are no option of these.
    """

    def __init__(self, command: Command, chunks: Chunks, chosen: Given | None = None):
        groups, self.defaults = [*command.groups], Given()
        own = {name: (option.default, "default") for name, option in assemble(groups).items()}
        for flag, find in zip(CHOOSERS, (command.find_model, command.find_dataset), strict=True):
            default, _ = (own | self.defaults | (chosen or {}))[flag]
            owner = find(_peek(flag, chunks, default))
            groups += owner.option_groups(command.phase)
            self.defaults |= {name: (value, f"{flag.split('_')[0]} default")
                              for name, value in owner.defaults(command.phase).items()}
        self.declared = _with_defaults(assemble(groups), self.defaults)
        self.given, self.unknown = _read(command, chunks, self.declared)

    def options(self, adopted: Given, name: str = "", notices: Sequence[str] = ()) -> Options:
        """The options, where `adopted` replaces defaults. name: of the run, where it is known already."""
        rows = {key: (option.default, "default") for key, option in self.declared.items()}
        rows |= self.defaults | adopted | self.given
        values = {key: value for key, (value, _) in rows.items()}
        if name:
            values["name"] = name
        elif values.get("suffix"):  # --suffix "{netG}_{load_size}" names the run after its options
            values["name"] = f"{values['name']}_{_suffix(values)}"
        _refuse_strange_paths(values)
        return Options(values, {key: source for key, (_, source) in rows.items()}, self.declared, notices)


def _chunks(argv: Sequence[str]) -> tuple[Chunks, list[str]]:
    """The words of the line, @files read, old spellings renewed; and a notice for each old spelling."""
    chunks: Chunks = []
    for word in argv:
        if word.startswith("@"):
            chunks.append((word, _read_file(word[1:])))
        elif chunks and chunks[-1][0] == "command line":
            chunks[-1][1].append(word)
        else:
            chunks.append(("command line", [word]))
    renewed = [(source, *modernize(words)) for source, words in chunks]
    notices = dict.fromkeys(notice for _, _, said in renewed for notice in said)
    return [(source, words) for source, words, _ in renewed], list(notices)


def _read_file(path: str) -> list[str]:
    """The flags in a text file, split as a shell splits words; # begins a comment."""
    try:
        with open(path, encoding="utf-8") as file:
            return shlex.split(file.read(), comments=True)
    except OSError as error:
        raise OptionError(f"the file of flags @{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise OptionError(f"the file of flags @{path} is not well formed: {error}") from None


def _peek(flag: str, chunks: Chunks, default: str) -> str:
    """The value of `flag` on the line, or the default."""
    declared = {flag: Option(None, "", name=flag)}
    parser = build_parser("", "", declared, testing=False)
    for _, words in chunks:
        default = read_words(parser, words, declared)[0].get(flag, default)
    return default


def _with_defaults(declared: dict[str, Option], defaults: Given) -> dict[str, Option]:
    for name, (value, source) in defaults.items():
        if name not in declared:
            raise TypeError(f"a {source} names --{name}, which nobody declares")
        declared[name] = replace(declared[name], default=value)
    return declared


def _read(command: Command, chunks: Chunks, declared: Mapping[str, Option]) -> tuple[Given, list[str]]:
    """What the line gives, and the words that are no option."""
    parser = build_parser(command.program, command.description, declared, command.phase == "test")
    given: Given = {}
    unknown: list[str] = []
    for source, words in chunks:
        found, others = read_words(parser, words, declared)
        given |= {name: (value, source) for name, value in found.items()}
        unknown += others
    return given, unknown


def _refuse_strange_paths(values: Mapping[str, Any]) -> None:
    """OptionError when an option that names files or folders would lead out of the folder they belong to."""
    for name in [name for name in PATH_PARTS if name in values]:
        path, shown = PurePath(values[name]), f"--{name} {values[name]!r}"
        if path.is_absolute() or ".." in path.parts or (name == "name" and not path.parts):
            raise OptionError(f"{shown} does not stay in its folder; expected a name, or names with / between them, "
                              "without '..' and without / in front. The folder of all runs is --checkpoints_dir")
        if "\0" in str(path) or any("\ud800" <= character <= "\udfff" for character in str(path)):
            raise OptionError(f"{shown} holds what is no character; expected a name of Unicode characters")
        length = max((len(part.encode()) for part in path.parts), default=0)
        if length > LONGEST_PART:
            raise OptionError(f"{shown} is {length} bytes long; expected at most {LONGEST_PART}, so that it fits a "
                              "file name")


def _suffix(values: Mapping[str, Any]) -> str:
    try:
        return values["suffix"].format_map(values)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise OptionError(f"--suffix {values['suffix']!r} names options in braces, such as {{netG}}; "
                          f"this could not be filled in: {error}") from None
