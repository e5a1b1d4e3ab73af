"""Libraries that only some features need: extras of setup.cfg, imported when they are."""
import importlib
from types import ModuleType

from util.errors import UserError


def library(module: str, extra: str, use: str) -> ModuleType:
    """The module. UserError, which says what to install, when it is missing. use: what needs it, as --to onnx."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{use} needs {module.partition('.')[0]}, which cannot be imported ({error}); install it with: "
                        f"pip install .[{extra}]") from None
