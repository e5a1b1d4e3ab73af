"""The tables of reference/options.md, made from the declarations of the options: a hook of mkdocs.

A line <!-- options of train.py --> on a page becomes a table for each group of that command's options, and one for each
model and dataset with options, or defaults, of its own.
"""
import re
import sys
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[2]))

import app
import data
import models
import train
from evaluation import compare_command, fcn_command, study_command
from evaluation.options import MeasureOptions
from exporting.command_line import ExportOptions
from opening import TESTING
from options.command_line import Command, Owner
from options.schema import Option, Sides, assemble

MARK = re.compile(r"^<!-- options of (.+) -->$", re.MULTILINE)
TYPES: dict[Any, str] = {bool: "flag", int: "whole number", float: "number", int | float: "whole number or `inf`",
                         Sides: "pixels, or `H,W`", Path: "path", str: "text"}
HEAD = ["| option | value | default | what it does |", "|---|---|---|---|"]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its tables."""
    return MARK.sub(lambda mark: "\n".join(TABLES[mark[1]]()), markdown)


def of_command(command: Command) -> Iterator[str]:
    """The tables of train.py or test.py: shared groups first, then what models and datasets add to them."""
    shared = assemble(command.groups)
    yield from tables(shared, command.program.removesuffix(".py"), testing=command.phase == "test")
    for title, names, find in (("Models", models.names(), models.find), ("Datasets", data.names(), data.find)):
        yield from ["", f"### {title} " + "{ #" + f"{command.phase}-{title.lower()}" + " }"]
        for name in names:
            yield from of_owner(find(name), name, command, shared)


def of_owner(owner: type[Owner], name: str, command: Command, shared: Mapping[str, Option]) -> Iterator[str]:
    """The table of what a model or a dataset adds, and a line of the shared defaults that it changes."""
    own = {one: option for one, option in assemble(owner.option_groups(command.phase)).items() if one not in shared}
    changed = {one: value for one, value in owner.defaults(command.phase).items() if one in shared}
    if not own and not changed:
        return
    yield from ["", f"#### {name} " + "{ #" + f"{command.phase}-{name}" + " }", ""]
    if changed:
        yield from ["Its own defaults: " + ", ".join(f"`--{one} {value}`" for one, value in changed.items()) + ".", ""]
    if own:
        yield from [*HEAD, *(row(option, f"{command.phase}-{name}") for option in own.values())]


def tables(options: Mapping[str, Option], prefix: str, testing: bool = False) -> Iterator[str]:
    """A table for each group."""
    told = [option for option in options.values() if not (testing and option.training_only)]
    for group, rows in groupby(sorted(told, key=lambda option: order(told, option)), lambda option: option.group):
        yield from ["", f"### {group[0].upper()}{group[1:]} " + "{ #" + f"{prefix}-{slug(group)}" + " }", "", *HEAD]
        yield from (row(option, prefix, testing) for option in rows)


def order(options: list[Option], option: Option) -> int:
    """The place of an option's group among the groups."""
    return [one.group for one in options].index(option.group)


def row(option: Option, prefix: str, testing: bool = False) -> str:
    """One line of a table."""
    from_run = testing and (option.structure or option.sampling)
    default = "required" if option.required else "that of the run" if from_run else code(option.default)
    return cells(option.name, prefix, values(option), default, option.help)


def values(option: Option) -> str:
    """What an option takes."""
    if any(option.choices):
        return "<br>".join(code(choice) for choice in option.choices if choice)
    low = f", {option.least:g} or more" if option.least is not None else ""
    if option.most is not None and option.most < 2**53:
        low = f", {option.least:g} to {option.most:g}"
    return TYPES[option.type] + low


def of_parser(parser: ArgumentParser, prefix: str) -> Iterator[str]:
    """The table of a small parser."""
    yield from HEAD
    for action in parser._actions:
        if action.option_strings and action.help != SUPPRESS and action.dest != "help":
            yield cells(action.dest, prefix, taken(action), default_of(action), (action.help or "") % vars(action))


def taken(action: Action) -> str:
    """What an argparse option takes."""
    if action.choices:
        return "<br>".join(map(code, action.choices))
    return "flag" if action.nargs == 0 else code(action.metavar or TYPES.get(action.type, "text"))


def default_of(action: Action) -> str:
    """What holds where an argparse option is left out."""
    if action.required or action.default in (None, False):
        return "required" if action.required else "–"
    return code(",".join(action.default) if isinstance(action.default, list) else action.default)


def cells(name: str, prefix: str, value: str, default: str, help: str) -> str:
    """A row, which can be linked to."""
    told = escape(help, quote=False).replace("|", "\\|").replace("*", "\\*")
    told = re.sub(r"(?<![\w`])(--\w+(?: [a-z]\w*(?=[,.;:)]))?)", r"`\1`", told)
    return f"| `--{name}`{{ #{prefix}-{name} }} | {value} | {default} | {told} |"


def code(value: object) -> str:
    """A value as it is typed; nothing for the empty one."""
    text = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "–"


def slug(title: str) -> str:
    """The title as an anchor."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


TABLES = {
    "train.py": lambda: of_command(train.COMMAND),
    "test.py": lambda: of_command(TESTING),
    "evaluate.py": lambda: tables(assemble([MeasureOptions]), "evaluate"),
    "evaluate.py compare": lambda: of_parser(compare_command.parser(), "compare"),
    "evaluate.py fcn": lambda: of_parser(fcn_command.parser(), "fcn"),
    "evaluate.py study": lambda: of_parser(study_command.parser(), "study"),
    "export.py": lambda: tables(assemble([ExportOptions]), "export"),
    "app.py": lambda: of_parser(app.parser(), "app"),
}
