"""The Dockerfile: what it copies is there, what it installs is what the README says, and it builds where docker is."""
import fnmatch
import re
import shutil
import subprocess

import pytest
from test_installation import SETUP, VERSIONS

from helpers.commands import ROOT

DOCKERFILE = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()))
STEPS = [tuple(line.split(maxsplit=1)) for line in DOCKERFILE.splitlines() if line.strip()]
PAGE = (ROOT / "docs" / "docker.md").read_text()
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]


def steps(kind: str) -> list[str]:
    return [words for name, words in STEPS if name == kind]


def is_ignored(path: str) -> bool:
    """Whether .dockerignore leaves out this file, or a folder above it; a pattern with / at its end, any folder there.
    """
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return any(fnmatch.fnmatchcase(one, pattern.rstrip("/")) and (one != path or not pattern.endswith("/"))
               and one.count("/") == pattern.rstrip("/").count("/")
               for pattern in IGNORED for one in above)


def test_what_is_copied_exists_and_is_sent():
    copied = [word for words in steps("COPY") for word in words.split()[:-1]]
    assert copied == ["setup.cfg", "pyproject.toml", "constraints.txt", "."]
    assert all((ROOT / word).exists() for word in copied)
    needed = [*(ROOT / name for name in copied[:-1]), ROOT / "README.md", *ROOT.glob("*.py"), *ROOT.glob("*/*.py"),
              *ROOT.glob("recipes/*"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("pages/*.css")]
    assert [path for path in needed if is_ignored(path.relative_to(ROOT).as_posix())] == []
    assert all(is_ignored(path) for path in (
        ".git/HEAD", ".venv/bin/python", ".mypy_cache/x", "checkpoints/maps/latest_net_G.pth",
        "results/maps/index.html", "datasets/toy_maps/train/0001.png", "notebooks/pix2pix/data/x.png"))


def test_its_python_is_one_that_is_declared():
    (image,) = steps("FROM")
    assert re.fullmatch(r"python:(\d\.\d+)-slim", image)[1] in VERSIONS
    said = re.search(r"The\s+tests run on Python (\d\.\d+)", (ROOT / "README.md").read_text())[1]
    assert image == f"python:{said}-slim"


def test_it_installs_what_the_readme_and_the_makefile_install():
    arguments = dict(argument.split("=", 1) for argument in steps("ARG"))
    install, code, _ = steps("RUN")
    installs = re.search(r'pip install .*--editable "\.\[(.*?)\]"', install)[1].replace("$EXTRAS", arguments["EXTRAS"])
    assert f"--editable .[{installs}]\n" in (ROOT / "Makefile").read_text()
    assert f"pip install -e .[{installs}]\n" in (ROOT / "README.md").read_text()
    for pins in ("PIP_CONSTRAINT=constraints.txt", "PIP_BUILD_CONSTRAINT=constraints.txt"):
        assert pins in install and pins in (ROOT / "README.md").read_text()
    assert code.startswith("pip install --no-deps --editable .")
    removed = re.findall(r"/\^(\w+) =/d", install)  # so that the libraries come before the code
    assert removed == ["packages", "py_modules"] and set(removed) <= set(SETUP["options"])
    extras = re.findall(r"EXTRAS=(\w+(?:,\w+)*)", PAGE + (ROOT / "Dockerfile").read_text())
    assert {name for names in extras for name in names.split(",")} <= set(SETUP["options.extras_require"])


def test_it_runs_as_nobody_special_and_keeps_what_was_made():
    assert steps("USER") == ["bothways"] and steps("WORKDIR")[-1] == "/data"
    (volumes,) = steps("VOLUME")
    for folder in ("datasets", "checkpoints", "results"):
        assert f'"/data/{folder}"' in volumes and f'-v "$PWD/{folder}:/data/{folder}"' in PAGE
        assert f"/data/{folder}" in steps("RUN")[-1]  # made, with rights, before the volume
    published = re.findall(r"-p (\d[\d.:]+)", PAGE)
    assert published and set(published) == {f"127.0.0.1:{steps('EXPOSE')[0]}:{steps('EXPOSE')[0]}"}


def daemon() -> str:
    """Why there is none; nothing where one answers."""
    if not shutil.which("docker"):
        return "docker is not installed"
    asked = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True)
    return "" if asked.returncode == 0 else "no docker daemon answers"


@pytest.mark.slow
def test_it_builds_and_answers():
    if reason := daemon():
        pytest.skip(f"NOT TESTED, the image is not built: {reason}")
    build = ["docker", "build", "--quiet", "--build-arg", "EXTRAS=formats", "--tag", "bothways:tested", str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = subprocess.run(["docker", "run", "--rm", "bothways:tested", "sh", "-c", "id -u && bothways-train --help && "
                           "touch datasets/x checkpoints/x results/x && python -c 'import bothways, torch, pydicom'"],
                          capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.startswith("1000\nusage: train.py"), said.stderr
