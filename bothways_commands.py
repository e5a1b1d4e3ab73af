"""The commands that `pip install` brings: bothways-train, bothways-test, bothways-evaluate,
bothways-export, bothways-app.

Each runs the file beside this one. It is found by its path: `import test` finds the tests of Python itself.
"""
import runpy
from pathlib import Path

HERE = Path(__file__).parent


def train() -> None:
    """train.py, with the words of the command line."""
    runpy.run_path(str(HERE / "train.py"), run_name="__main__")


def test() -> None:
    """test.py, with the words of the command line."""
    runpy.run_path(str(HERE / "test.py"), run_name="__main__")


def evaluate() -> None:
    """evaluate.py, with the words of the command line."""
    runpy.run_path(str(HERE / "evaluate.py"), run_name="__main__")


def export() -> None:
    """export.py, with the words of the command line."""
    runpy.run_path(str(HERE / "export.py"), run_name="__main__")


def app() -> None:
    """app.py, with the words of the command line."""
    runpy.run_path(str(HERE / "app.py"), run_name="__main__")
