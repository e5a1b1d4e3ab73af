"""Every declared option stands on a command line of some test, which is there to show its effect."""
import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import data
import models
from evaluation.command_line import COMMAND as MEASURING
from exporting.command_line import ExportOptions
from helpers.commands import ROOT, load_command
from options.command_line import parse
from options.schema import assemble

COMMANDS = {phase: load_command(phase).COMMAND for phase in ("train", "test")} | {"evaluate": MEASURING}


def declared() -> set[str]:
    """The names of all options, of every phase, model and dataset."""
    asked = {name for command in COMMANDS.values() for model in models.names() for dataset in data.names()
            for name in parse(command, ["--dataroot", "x", "--model", model, "--dataset_mode", dataset]).declared}
    return asked | assemble([ExportOptions]).keys()


def texts(path: Path) -> Iterator[str]:
    """The strings of a file; what an f-string fills in is left out."""
    tree = ast.parse(path.read_text())
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.value


def named(text: str) -> set[str]:
    """The options of a command line: words of which each is --option or stands behind one. Nothing for other texts."""
    words = re.sub(r"^(train|test|evaluate) ", "", text).split()
    values = [not word.startswith("--") for word in words]
    if not words or (values[0] and not words[0].startswith("@")) or any(map(all, pairwise(values))):
        return set()
    return {match[1] for word in words if (match := re.fullmatch(r"--(\w+)(=.*)?", word))}


def test_every_option_stands_on_a_command_line():
    on_lines = {name for path in (ROOT / "tests").rglob("*.py") for text in texts(path) for name in named(text)}
    missing = sorted(declared() - on_lines)
    assert not missing, f"no test has these on a command line: {missing}; write one that fails where they do nothing"


def test_what_is_a_command_line():
    assert named("--model pix2pix --no_flip --name=x") == {"model", "no_flip", "name"}
    assert named("train --niter 3") == {"niter"}
    assert named("--load_size 30 is smaller than --crop_size 32") == named("leave out --compile") == named("") == set()
