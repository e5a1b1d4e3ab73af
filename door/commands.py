"""The commands as modules."""
import importlib.util
from pathlib import Path
from types import ModuleType

from util.errors import UserError


def load_command(name: str) -> ModuleType:
    """train.py or test.py, found by its path: `import test` may find the tests of Python itself, `import train` a
    script of the user's own.
    """
    path = Path(__file__).parents[1] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_command", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"{path} is not there; install the toolkit again")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
