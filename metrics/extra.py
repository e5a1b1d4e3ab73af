"""The libraries that metrics are computed with: an extra, imported when a metric is made that needs it."""
import importlib
from types import ModuleType

from util.errors import UserError


def library(module: str) -> ModuleType:
    """The module, such as torchmetrics.image.fid. UserError, which says what to install, when it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{module.partition('.')[0]} computes this metric and cannot be imported ({error}); install it "
                        "with: pip install .[metrics]") from None
