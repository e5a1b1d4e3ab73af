"""Who may import whom: the rooms of docs/design.md, read off the imports."""
import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.commands import ROOT

ALLOWED = {  # room: what of ours it may import
    "util": ("util",),
    "options": ("options",),
    "shards": ("shards", "util"),
    "raster": ("raster", "shards", "util"),
    "data": ("data", "raster", "shards", "util", "options.schema", "options.groups", "options.preprocess"),
    "networks": ("networks",),
    "models": ("models", "networks", "metrics.self_features", "metrics.weight_files", "util", "options.schema",
               "options.groups"),
    "engine": ("engine", "models.contract", "networks.fast_layers", "networks.scratch", "networks.ways", "util"),
    "tiles": ("tiles", "networks", "util"),
    "metrics": ("metrics", "util"),
    "pages": ("pages", "shards", "util"),
    "runs": ("runs", "engine", "metrics", "pages", "raster", "shards", "models.contract", "util", "options.schema",
             "options.groups", "options.saved", "options.command_line"),
    "evaluation": ("evaluation", "data", "engine", "metrics", "models", "networks", "options", "pages", "raster",
                   "runs", "util", "opening", "door.commands"),
    "exporting": ("exporting", "data", "door", "engine", "models", "networks", "options", "pages", "raster", "runs",
                  "util", "opening"),
    "studio": ("studio", "data", "door", "engine", "models", "options", "pages", "raster", "runs", "util", "opening"),
    "door": ("door", "data", "engine", "models", "options", "pages", "raster", "runs", "shards", "tiles", "util",
             "opening"),
}
OURS = (*ALLOWED, "train", "test", "evaluate", "export", "app", "opening", "bothways", "bothways_commands", "hubconf")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_only_their_neighbours(room: str):
    for path in (ROOT / room).glob("*.py"):
        ours = [name for name in imports(path) if name.split(".")[0] in OURS]
        assert [name for name in ours if not within(name, ALLOWED[room])] == [], path


def test_every_package_is_a_room():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ALLOWED)


@pytest.mark.parametrize("path", sorted((ROOT / "networks").glob("*.py")), ids=lambda path: path.stem)
def test_networks_are_plain_modules(path: Path):
    libraries = (*sys.stdlib_module_names, "torch", "torchvision", "kornia", "networks")
    assert [name for name in imports(path) if not within(name, libraries)] == []


@pytest.mark.parametrize("command", ["train.py", "test.py", "evaluate.py", "app.py"])
def test_help_answers_without_importing_torch(command: str):
    code = (f"import runpy, sys; sys.argv = ['{command}', '--help']\n"
            f"try: runpy.run_path('{command}', run_name='__main__')\n"
            "finally:\n"
            "    heavy = {'torch', 'torchvision', 'kornia', 'visdom', 'gradio'}\n"
            "    print('imported:', sorted(heavy & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "imported: []" in done.stdout
    assert done.stdout.count("\n") < 40  # short, and useful all the same
    assert "usage:" in done.stdout
