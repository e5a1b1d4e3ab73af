"""The exceptions that stand for what the user can mend, and how a command leaves on them."""
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake of the user: says what was found, what was expected and what to type next."""

    exit_code = 2


class MachineError(UserError):
    """The machine has too little of something: says of what, and which flags help."""

    exit_code = 1


@contextmanager
def exit_on(*mistakes: type[Exception]) -> Iterator[None]:
    """Ends the process without a traceback on the given exceptions, and on an OSError such as a full disk.

    The code is the exception's exit_code, else 2; 1 for an OSError; 130 on Ctrl-C, whose exception may say how to go
    on. With code 0 it is an answer, not an error, and goes to stdout.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name need not be valid Unicode
    try:
        yield
    except mistakes as error:
        code = getattr(error, "exit_code", 2)
        if code:
            print(f"error: {error}", file=sys.stderr)
        else:
            _answer(str(error))
        sys.exit(code)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as error:
        print(f"interrupted: {error}" if str(error) else "interrupted", file=sys.stderr)
        sys.exit(130)


def _answer(text: str) -> None:
    """Print for a reader that may have seen enough after some lines, such as `head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would flush it again at the end
