"""What `pip install` brings: which libraries, which files, which commands."""
import ast
import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.commands import ROOT

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
ROOMS = SETUP["options"]["packages"].split(", ")
MODULES = SETUP["options"]["py_modules"].split(", ")
FILES = [*(ROOT / f"{name}.py" for name in MODULES), *(path for room in ROOMS for path in (ROOT / room).glob("*.py"))]
VERSIONS = [line.rpartition(" ")[2] for line in SETUP["metadata"]["classifiers"].splitlines() if "3." in line]


def test_only_the_extra_live_needs_visdom():
    """visdom 0.2.4 cannot be built with a setuptools of today, which would end the installation of anything else."""
    needs = {"install_requires": SETUP["options"]["install_requires"], **SETUP["options.extras_require"]}
    bring_it = [name for name, libraries in needs.items() if "visdom" in libraries or "live" in libraries]
    assert bring_it == ["live", "all"]
    installs = "pip install --quiet --editable .[all]"
    assert installs in (ROOT / "Makefile").read_text()


def test_requirements_and_environment_say_what_setup_cfg_says():
    needs = SETUP["options"]["install_requires"].split()
    listed = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert listed == needs
    environment = (ROOT / "environment.yml").read_text()
    by_conda, by_pip = environment.partition("dependencies:\n")[2].split("  - pip:\n")
    assert by_conda.split() == ["-", f"python{SETUP['options']['python_requires']}", "-", "pip"]
    assert by_pip.replace("      - ", "").splitlines() == needs


def test_every_library_is_pinned_and_every_pin_is_in_reach():
    """The pins of constraints.txt: those of the libraries, and of an extra, within the ranges of setup.cfg."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] != "#")
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    needs = {"install_requires": SETUP["options"]["install_requires"], **SETUP["options.extras_require"]}
    for extra, lines in needs.items():
        for need in map(Requirement, lines.split("\n")[1:]):
            if need.name == "bothways":
                assert need.extras == set(needs) - {extra, "install_requires"}  # `all` is all
            else:
                assert need.specifier.contains(pins[canonicalize_name(need.name)]), (extra, need)


def test_without_visdom_its_tests_are_skipped_out_loud():
    code = ("import sys, pytest; sys.modules['visdom'] = None\n"
            "sys.exit(pytest.main(['-n', '0', '-p', 'no:cacheprovider', 'tests/pages/test_live_view.py', "
            "'tests/pages/test_live_view_failures.py']))")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.count("could not import 'visdom'") == 2 and "2 skipped in" in done.stdout, done.stdout


def test_every_version_that_is_declared_can_read_the_code():
    assert SETUP["options"]["python_requires"] == f">={VERSIONS[0]}"
    assert f"Python {VERSIONS[0]} to {VERSIONS[-1]}" in (ROOT / "README.md").read_text()
    oldest = tuple(map(int, VERSIONS[0].split(".")))
    for path in FILES:
        ast.parse(path.read_text(), feature_version=oldest)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this folder: building leaves files behind."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", *(f"{name}.py" for name in MODULES)):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, source)
    return next(folder.glob("bothways-*.whl"))


def pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words), "--no-deps", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_wheel_holds_all_that_runs(wheel: Path):
    others = [path for room in ROOMS for path in (ROOT / room).rglob("*")
              if path.is_file() and path.suffix not in (".py", ".pyc")]  # stylesheets, scripts
    ours = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert ours == {path.relative_to(ROOT).as_posix() for path in (*FILES, *others)}
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ROOMS)


@pytest.mark.slow
def test_installed_commands_work_in_any_folder(wheel: Path, dataroot: Path, tmp_path: Path):
    pip("install", "--target", tmp_path / "site", wheel)
    here = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def ended(command: list[str | Path]) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(command: str, line: str) -> str:
        return ended([tmp_path / "site" / "bin" / command, *line.split()])

    def run_all(*lines: str) -> list[str]:
        """What each says. They run as the scripts do, but in one process, which imports torch once."""
        code = (f"import sys, bothways_commands\nfor line in {lines}:\n    name, *sys.argv[1:] = line.split()\n"
                "    getattr(bothways_commands, name)()\n    print('=' * 9)")
        return ended([sys.executable, "-c", code]).split("=" * 9)

    for command in ("train", "test", "evaluate", "export", "app"):
        assert f"usage: {command}.py" in run(f"bothways-{command}", "--help")
    which = f"--name run --dataroot {dataroot} --gpu_ids -1"
    said = run_all(f"train {which} --model pix2pix --netG resnet_6blocks --ngf 4 --ndf 4 --load_size 36 --crop_size 32 "
                   "--num_threads 2 --display_id 0 --n_epochs 1 --n_epochs_decay 0",
                   f"test {which} --num_threads 0", "evaluate results/run/test_latest",
                   f"evaluate {which} --num_threads 0")
    assert "page: results/run/test_latest/index.html" in said[1] and "A->B" in said[2] and "A->B" in said[3]
    assert (tmp_path / "checkpoints" / "run" / "latest_net_G.pth").exists()
