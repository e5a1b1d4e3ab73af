"""The command lines that a Markdown page tells its reader to type.

They stand in ```bash blocks, or in blocks that are indented by four spaces and begin with a program of PROGRAMS. A
block that no test can run has the line <!-- not run: REASON --> above it.
"""
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

PROGRAMS = ("python python3 torchrun pip make cat export bash sh cd source conda docker git ruff mypy pytest jupyter "
            "tensorboard mkdocs curl bothways-train bothways-test bothways-evaluate bothways-export").split()
FENCE = re.compile(r"\s*```(\w*).*")
MARK = re.compile(r"\s*<!-- not run: (\S.*) -->")


@dataclass(frozen=True)
class Block:
    """What is to be typed. number: of its first line on the page; lines: of a shell, each whole and without comments;
    reason: why no test runs it, or ''."""

    number: int
    lines: tuple[str, ...]
    reason: str


def blocks(page: str) -> list[Block]:
    """The blocks of commands of a page, given as its text. ValueError for a mark that stands above none of them."""
    lines, found = page.splitlines(), []
    marks = {number: mark[1] for number, line in enumerate(lines) if (mark := MARK.fullmatch(line))}
    for number, inside, fenced in _blocks(lines):
        commands = tuple(_commands(inside))
        if fenced or (commands and program(commands[0]) in PROGRAMS):
            above = max((at for at in range(number) if lines[at].strip()), default=0)
            found.append(Block(number + 1, commands, marks.pop(above, "")))
    lost = [f"line {number + 1}: {line.strip()}" for number, line in enumerate(lines)
            if "<!-- not run" in line and (number in marks or not MARK.fullmatch(line))]
    if lost:
        raise ValueError(f"not <!-- not run: REASON --> right above a block of commands: {lost}")
    return found


def program(command: str) -> str:
    """The first word of a command line, past the variables that are set for it."""
    return next((word for word in shlex.split(command, comments=True) if not re.match(r"\w+=", word)), "")


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str], bool]]:
    """The blocks of code: index of the first line, the lines inside, and whether it is one of ```bash."""
    at = 0
    while at < len(lines):
        end, fence = at + 1, FENCE.fullmatch(lines[at])
        if fence:
            while lines[end].strip() != "```":
                end += 1
            if fence[1] == "bash":
                yield at, lines[at + 1:end], True
        elif lines[at].startswith("    ") and not "".join(lines[at - 1:at]).strip():
            while "".join(lines[end:end + 2]).startswith("    ") and end < len(lines):
                end += 1
            yield at, lines[at:end], False
        at = end + bool(fence)


def _commands(lines: list[str]) -> Iterator[str]:
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        command = re.sub(r"(^|\s+)#.*", "", line.strip())
        if command:
            yield command
