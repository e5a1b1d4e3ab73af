"""Declare an option once, beside its owner; the parsed result is frozen and knows where each value came from.

    class TrainOptions(Group):
        "CycleGAN"
        lambda_A: float = option(10.0, "weight of the cycle loss A -> B -> A")
"""
import difflib
import json
import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast, get_type_hints

G = TypeVar("G", bound="Group")


class OptionError(Exception):
    """A bad command line: says what was found, what was expected and what to type."""

    exit_code = 2


def count_or_inf(text: str) -> int | float:
    """The type of an option that is a whole number or 'inf'."""
    return math.inf if text == "inf" else int(text)


Sides = int | str
"""The type of an option that is a side in pixels, or 'H,W', a height and a width."""


def one_or_two_sides(text: str) -> Sides:
    """The value of Sides that `text` means: 256 for '256' and '256,256', '256,512' for '256, 512'."""
    sides = [int(side) for side in text.split(",")]
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(text)
    return sides[0] if len({*sides}) == 1 else ",".join(map(str, sides))


def width_and_height(sides: Sides) -> tuple[int, int]:
    """The size that --crop_size or --load_size stands for, in pixels."""
    height, _, width = str(sides).partition(",")
    return int(width or height), int(height)


def as_sides(width: int, height: int) -> Sides:
    """What to type for a size in pixels."""
    return width if width == height else f"{height},{width}"


def true_or_false(text: str) -> bool:
    """The type of a flag's optional value: `--no_dropout` alone means true, `--no_dropout false` is false."""
    return {"true": True, "false": False}[text.lower()]


Given = dict[str, tuple[Any, str]]
"""Values by option name, each with its source."""


@dataclass(frozen=True)
class Option:
    """One declared option, see `option`. `read` turns its text into its value."""

    default: Any
    help: str
    choices: tuple[str, ...] = ()
    required: bool = False
    common: bool = False
    least: float | None = None
    most: float | None = None
    structure: bool = False
    sampling: bool = False
    training_only: bool = False
    once: bool = False
    same_weights: tuple[str, ...] = ()
    name: str = ""
    group: str = ""
    type: Any = str

    @property
    def is_flag(self) -> bool:
        return self.type is bool

    def alike(self, one: Any, other: Any) -> bool:
        """Whether two values mean the same to the weights."""
        return one == other or (one in self.same_weights and other in self.same_weights)

    def read(self, text: str) -> Any:
        """The value that `text` stands for; ArgumentTypeError (argparse's) when it stands for none."""
        reader: Callable[[str], Any] = _READERS.get(self.type, self.type)
        try:
            value = reader(text)
        except (ValueError, KeyError):
            raise ArgumentTypeError(f"{text!r} is not {_TYPE_NAMES[self.type]}") from None
        if self.type is float and not math.isfinite(value):
            raise ArgumentTypeError(f"{text!r} is not a number")
        if self.least is not None and value < self.least:
            raise ArgumentTypeError(f"{text} is too small, expected at least {self.least:g}")
        if self.most is not None and value > self.most:
            raise ArgumentTypeError(f"{text} is too large, expected at most {self.most:g}")
        if self.choices and value not in self.choices:
            raise ArgumentTypeError(f"{text!r} is not known{did_you_mean(text, self.choices)}. "
                                    f"Known: {', '.join(self.choices)}")
        return value


_READERS: dict[Any, Callable[[str], Any]] = {
    bool: true_or_false, int | float: count_or_inf, Sides: one_or_two_sides}
_TYPE_NAMES: dict[Any, str] = {
    bool: "true or false", int: "a whole number", float: "a number", int | float: "a whole number or inf",
    Sides: "a side in pixels, such as 256, or a height and a width, such as 256,512"}


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' for the nearest of the `known` names, or '' when none is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def option(default: Any, help: str, *, choices: Iterable[str] = (), required: bool = False, common: bool = False,
           least: float | None = None, most: float | None = None, structure: bool = False, sampling: bool = False,
           training_only: bool = False, once: bool = False, same_weights: Iterable[str] = ()) -> Any:
    """Declare an option in the body of a Group; its name and type come from the annotated attribute.

    common: in the short --help. What a run decides later on is marked here, in a model of one's own too:
    structure: part of what the weights mean; fixed when a training goes on; testing takes it from the run and refuses
        another value. same_weights: values of it that mean the same to the weights.
    sampling: how images are found and brought to the networks; testing takes it from the run, unless another is given.
        Both marks: fixed when a training goes on, free in testing.
    training_only: of no meaning in testing, though understood there.
    once: holds for one command or one machine; a training that goes on does not take it from the run, which it
        takes everything else from.
    """
    return Option(default, help, tuple(choices), required, common, least, most, structure, sampling, training_only,
                  once, tuple(same_weights))


class Group:
    """Options that belong together; the first line of the docstring is their title in --help.

    Annotate with bool (a flag), int, float, str, int | float (a whole number or inf), or Sides. A group may inherit
    others: an option has the title of the class in whose body it stands, and a body that says it anew replaces that of
    its base.
    """


def assemble(groups: Iterable[type[Group]]) -> dict[str, Option]:
    """All options of the groups and of their bases by name; a class that is reached in several ways counts once.

    TypeError, a programming error, when unrelated classes declare one name, or a name is one of Options' own.
    """
    declared: dict[str, Option] = {}
    owners: dict[str, type[Group]] = {}
    for owner in _bodies(groups):
        title, types = (owner.__doc__ or owner.__name__).splitlines()[0], get_type_hints(owner)
        for name, value in vars(owner).items():
            if not isinstance(value, Option):
                continue
            if name in owners and not issubclass(owner, owners[name]):
                raise TypeError(f"--{name} is declared in {declared[name].group!r} and again in {title!r}")
            if name in RESERVED:
                raise TypeError(f"--{name}, declared in {title!r}, is a name that Options has for itself")
            declared[name] = replace(value, name=name, group=title, type=types[name])
            owners[name] = owner
    return declared


def _bodies(groups: Iterable[type[Group]]) -> dict[type[Group], None]:
    """The groups and their bases, each once: bases first, in the order in which they are written."""
    def with_bases(group: type) -> Iterator[type[Group]]:
        for base in group.__bases__:
            yield from with_bases(base)
        if issubclass(group, Group):
            yield group

    return dict.fromkeys(body for group in groups for body in with_bases(group))


class Options:
    """The parsed options, read as attributes (`opt.lambda_A`). Frozen; picklable.

    What reads them asks for the group that declares them: `opt.view(TrainingOptions).lr` is known to a type checker.
    `declared`: the options with their effective defaults; `sources`: where each value came from
    ('default', 'model default', 'dataset default', 'trained run ...', 'command line' or an @file's name);
    `notices`: what the user should be told of the command line.
    """

    _names: tuple[str, ...]
    notices: tuple[str, ...]
    sources: dict[str, str]
    declared: dict[str, Option]

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, str], declared: Mapping[str, Option],
                 notices: Iterable[str] = ()):
        self.__dict__.update(values)
        self.__dict__.update(_names=tuple(sorted(values)), sources=dict(sources), declared=dict(declared),
                             notices=tuple(notices))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"options are frozen: {name} cannot be changed after parsing")

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def view(self, group: type[G]) -> G:
        """These same options, for a type checker an object of `group`."""
        return cast(G, self)

    def replace(self, **values: Any) -> "Options":
        """A copy with other values."""
        return Options(self.as_dict() | values, self.sources, self.declared, self.notices)

    def given(self, name: str) -> bool:
        """Whether the user gave this value, on the command line or in an @file."""
        return self.sources[name] == "command line" or self.sources[name].startswith("@")

    def as_dict(self) -> dict[str, Any]:
        """All values by name, sorted by name."""
        return {name: getattr(self, name) for name in self._names}

    def changed(self) -> dict[str, Any]:
        """The values that differ from their (model's, dataset's) default."""
        return {name: value for name, value in self.as_dict().items() if value != self.declared[name].default}

    def as_json(self) -> str:
        """Each value with its source, as JSON text. Infinity is written as "inf"."""
        rows = {name: {"value": "inf" if value == math.inf else value, "source": self.sources[name]}
                for name, value in self.as_dict().items()}
        return json.dumps(rows, indent=1) + "\n"

    def as_classic_text(self) -> str:
        """The layout of the classic train_opt.txt: a value a line, with its default where it differs."""
        lines = ["----------------- Options ---------------"]
        for name, value in self.as_dict().items():
            default = self.declared[name].default
            comment = f"\t[default: {_one_line(default)}]" if value != default else ""
            lines.append(f"{name:>25}: {_one_line(value):<30}{comment}")
        return "\n".join([*lines, "----------------- End -------------------"]) + "\n"


RESERVED = {*vars(Options), *Options.__annotations__}


def _one_line(value: Any) -> str:
    """`value` as text that cannot begin a line of its own and can be written as UTF-8."""
    text = str(value).replace("\n", "\\n").replace("\r", "\\r")
    return text.encode(errors="backslashreplace").decode()
