"""What the app says: mistakes as words instead of tracebacks, and names from outside as plain text."""
from __future__ import annotations

import functools
from collections.abc import Callable
from html import escape
from typing import Any

import gradio

from options.schema import OptionError
from util.errors import UserError

Handler = Callable[..., Any]


def told(handler: Handler) -> Handler:
    """The handler of an event, whose UserError, OptionError and OSError are shown on the page, as text."""
    @functools.wraps(handler)
    def shown(*given: Any) -> Any:
        try:
            return handler(*given)
        except (UserError, OptionError, OSError) as error:
            raise gradio.Error(as_text(str(error)), duration=None, print_exception=False) from None
    return shown


def as_text(words: str) -> str:
    """HTML that shows the words as they are, lines included."""
    return escape(words.encode(errors="backslashreplace").decode()).replace("\n", "<br>")
