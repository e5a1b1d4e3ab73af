"""Libraries that not everybody needs: imported when something asks for them."""
import importlib
from types import ModuleType

from util.errors import UserError


def need(module: str, what: str, extra: str) -> ModuleType:
    """The module. UserError, which says what to install, when it is missing.

    what: asks for it, in words that begin a sentence; extra: of ours, which brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{what} needs {module.partition('.')[0]}, which cannot be imported ({error}); install it "
                        f"with: pip install .[{extra}]") from None
