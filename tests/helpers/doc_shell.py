"""A small shell for the command lines of the docs: it runs them in this process, as small as they can be.

Programs of this project run with all that the line says; where they train, tiny sizes are appended. What installs is
only looked at: whether the extra, the file or the target that it names exists.
"""
import configparser
import glob
import io
import itertools
import os
import re
import runpy
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from helpers.commands import ROOT, TINY, load_command

CPU = "--num_threads 0 --gpu_ids -1".split()
TOWNS = "--size 64 --n_train 4 --n_test 4".split()
MODULES = ("venv", "pip", "pytest", "ipykernel", "http.server")  # python -m MODULE: no command of this project


class Failed(AssertionError):
    """A line of the docs that did not end with 0, with what it said."""


def run(line: str) -> bytes:
    """What a line writes to standard output; Failed where any of it fails."""
    said = b""
    for pipeline in _parted(_words(line), "&&", ";"):
        said = b""
        for stage in _parted(pipeline, "|"):
            target = stage[stage.index(">") + 1] if ">" in stage else ""
            said = _run_one(stage[:stage.index(">")] if target else stage, said, line)
            if target:
                Path(target).write_bytes(said)
    return said


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;>")
    lexer.whitespace_split = True
    return list(lexer)


def _parted(words: list[str], *operators: str) -> Iterator[list[str]]:
    """The words between the operators."""
    part: list[str] = []
    for word in [*words, operators[0]]:
        if word in operators:
            yield part
            part = []
        else:
            part.append(word)


def _run_one(words: list[str], given: bytes, line: str) -> bytes:
    settings = list(itertools.takewhile(lambda word: re.match(r"\w+=", word), words))
    if settings:
        with patch.dict(os.environ, dict(word.split("=", 1) for word in settings)):
            return _run_one(words[len(settings):], given, line)
    words = [found for word in words for found in (sorted(glob.glob(word)) if "*" in word else []) or [word]]
    match words:
        case ["cat", *files]:
            return b"".join(Path(file).read_bytes() for file in files)
        case ["export", *assigned]:
            os.environ.update(word.split("=", 1) for word in assigned)
        case ["pip", "install", *what]:
            _look_at_installation(what, line)
        case ["make", target]:
            _require(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line, "no such target")
        case ["conda", "env", "create", "-f", file]:
            _require((ROOT / file).is_file(), line, "no such file")
        case [("ruff" | "mypy" | "." | "source"), *_]:
            pass
        case ["torchrun", *rest]:
            return _python(_under_torchrun(rest, line), given, line)
        case [("python" | "python3"), *rest]:
            return _python(rest, given, line)
        case [command, *rest] if command.startswith("bothways-"):
            return _python([f"{command.removeprefix('bothways-')}.py", *rest], given, line)
        case _:
            _require(False, line, "cannot be run by a test: put <!-- not run: REASON --> above its block")
    return b""


def _require(holds: object, line: str, otherwise: str) -> None:
    if not holds:
        raise Failed(f"{line}\n{otherwise}")


def _python(words: list[str], given: bytes, line: str) -> bytes:
    if words[:1] == ["-m"]:
        if words[1] in MODULES:
            return b""
        words = [f"{words[1]}.py", *words[2:]]
    script = ROOT / words[0]
    _require(script.is_file(), line, f"there is no {words[0]}")
    if words[0] == "app.py":  # which serves until it is ended: its words are read, and its own tests open it
        _read_by(load_command("app").parser(), words[1:], line)
        return b""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in "oe")
    with ExitStack() as stack:
        for context in (patch.object(sys, "argv", [words[0], *_tiny(words[0], words[1:])]),
                        patch.object(sys, "path", [str(script.parent), *sys.path]),
                        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given))),
                        redirect_stdout(out), redirect_stderr(err)):
            stack.enter_context(context)
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as left:
            if left.code:
                said = (out.buffer.getvalue() + err.buffer.getvalue()).decode(errors="replace")
                raise Failed(f"{line}\nended with {left.code}:\n{said}") from None
    return out.buffer.getvalue()


def _tiny(script: str, words: list[str]) -> list[str]:
    """The words of a line with what makes it quick, and free to replace what an earlier line made."""
    names = {word.partition("=")[0] for word in words}
    if names & {"--help", "-h"}:
        return words
    match script:
        case "train.py":
            return [*words, *TINY.split(), *([] if names & {"--continue_train", "--resume"} else ["--overwrite"])]
        case "test.py":
            return [*words, *CPU, *([] if "--output" in names else ["--overwrite"])]
        case "export.py":
            return [*words, "--overwrite"]
        case "evaluate.py" if words[0] == "fcn":
            return [*words, "--steps", "2", "--overwrite"]
        case "evaluate.py" if "--name" in names or any(word.startswith("checkpoints/") for word in words):
            return [*words, *CPU]
        case "datasets/toy_maps.py":
            places = [] if "--out" in names else ["--out", "datasets/toy_maps"]
            return [*words, *TOWNS, *places, *(["--giant", "64"] if "--giant" in names else [])]
    return words


def _under_torchrun(words: list[str], line: str) -> list[str]:
    """The script and its words; torchrun's own flags are read by torchrun's parser, which refuses wrong ones."""
    from torch.distributed.run import get_args_parser

    read = _read_by(get_args_parser(), words, line)
    return [*(["-m"] if read.module else []), read.training_script, *read.training_script_args]


def _read_by(parser: ArgumentParser, words: list[str], line: str) -> Namespace:
    """What the parser of a program makes of the words."""
    try:
        return parser.parse_args(words)
    except SystemExit:
        raise Failed(f"{line}\nis not understood by {parser.prog}") from None


def _look_at_installation(words: list[str], line: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for word in words:
        extras = re.findall(r"^\.\[(.+)\]$", word)
        unknown = [extra for extra in ",".join(extras).split(",") if extras and extra not in
                   setup["options.extras_require"]]
        _require(not unknown, line, f"no such extra: {unknown}")
        _require(not word.endswith(".txt") or (ROOT / word).is_file(), line, f"there is no {word}")
