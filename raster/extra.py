"""The libraries that some formats are read with: an extra, imported when the first such file comes."""
import importlib
import logging
from pathlib import Path
from types import ModuleType

from util.errors import UserError


def library(module: str, path: Path) -> ModuleType:
    """The module, which is to read that file, and silent: what matters of a damaged file is raised.

    UserError, which says what to install, when it is missing.
    """
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{path} is read with {module.partition('.')[0]}, which cannot be imported ({error}); install "
                        "it with: pip install .[formats]") from None
    logging.getLogger(module.partition(".")[0]).setLevel(logging.CRITICAL)
    return found
