"""Who may import whom: the rooms of docs/design.md, read off the imports."""
import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "models", "options", "util")
NETWORK_FILES = ("generators", "discriminators", "layers", "fast_layers", "losses")
ALLOWED = {
    "util": ("util",),
    "options": ("options",),
    "data": ("data", "util", "options.schema"),
    "models": ("models", "util", "options.schema"),
}
NETWORKS_MAY_IMPORT = ("torch", "torchvision", "kornia", *(f"models.{name}" for name in NETWORK_FILES))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_their_neighbours(room: str):
    for path in (ROOT / room).glob("*.py"):
        ours = [name for name in imports(path) if name.split(".")[0] in (*ROOMS, "train", "test", "evaluate")]
        assert [name for name in ours if not within(name, ALLOWED[room])] == [], path


@pytest.mark.parametrize("file", NETWORK_FILES)
def test_networks_never_see_options(file: str):
    outside = [name for name in imports(ROOT / "models" / f"{file}.py")
               if name.split(".")[0] not in sys.stdlib_module_names and not within(name, NETWORKS_MAY_IMPORT)]
    assert outside == []


@pytest.mark.parametrize("command", ["train.py", "test.py", "evaluate.py"])
def test_help_answers_without_importing_torch(command: str):
    code = (f"import runpy, sys; sys.argv = ['{command}', '--help']\n"
            f"try: runpy.run_path('{command}', run_name='__main__')\n"
            "finally: print('imported:', sorted({'torch', 'torchvision', 'kornia', 'visdom'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "imported: []" in done.stdout
    assert done.stdout.count("\n") < 40  # short, and useful all the same
    assert "usage:" in done.stdout
