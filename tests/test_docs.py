"""What the README, the docs and the Makefile say exists."""
import re
import shlex
from pathlib import Path

import pytest

import models
from evaluation import compare_command, fcn_command, study_command
from evaluation.command_line import COMMAND as MEASURING
from exporting.command_line import ExportOptions
from helpers.commands import ROOT, load_command
from options.classic import RENAMED
from options.command_line import parse
from options.schema import assemble

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = {phase: load_command(phase).COMMAND for phase in ("train", "test")} | {"evaluate": MEASURING}
PARSERS = [compare_command.parser(), fcn_command.parser(), study_command.parser()]  # of what evaluate.py does
PARSERS.append(load_command("app").parser())
FLAG = re.compile(r"--([a-zA-Z]\w+)")
DECLARED = re.compile(r'add_argument\("--(\w+)"')  # by a script
OLD = (*RENAMED, "no_lsgan")
NOT_OURS = ("help", "size", "n_test", "n_layers", "kills", "rounds",  # of other scripts, or quoted as wrong
            "lambda_outlin",
            "standalone", "nproc_per_node", "nnodes", "node_rank", "rdzv_backend", "rdzv_endpoint", "max_restarts",
            "local_addr", "master_addr",  # torchrun
            "bind", "directory",  # http.server
            "logdir",  # tensorboard
            "local",  # hf download --local-dir
            "build", "gpus", "init", "ipc", "rm", "shm", "user",  # docker
            "array", "cpus", "nodes", "ntasks", "requeue", "signal", "time",  # Slurm
            "dist")  # pytest


def read(phase: str, words: list[str]):
    return parse(COMMANDS[phase], ["--dataroot", "x", *words])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_flag_in_the_docs_exists(page: Path):
    known = {name for phase in COMMANDS for model in models.names()
             for name in read(phase, ["--model", model]).declared}
    known |= assemble([ExportOptions]).keys()
    known |= {name for parser in PARSERS for name in FLAG.findall(parser.format_help())}
    known |= {name for folder in ("datasets", "benchmarks", "examples") for script in (ROOT / folder).glob("*.py")
              for name in DECLARED.findall(script.read_text())}
    known |= set(re.findall(r"^ +(\w+): \w+ = option\(", page.read_text(), re.MULTILINE))  # of a model that it shows
    used = set(FLAG.findall(page.read_text()))
    assert used - known - set(OLD) - set(NOT_OURS) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_and_file_in_the_docs_exists(page: Path):
    text = page.read_text()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = [page.parent / link for link in re.findall(r'\]\(([^)#:"]+)\)', prose)]
    rooms = ("data|datasets|docs|door|engine|evaluation|exporting|metrics|models|networks|notebooks|options|pages|"
             "recipes|runs|scripts|studio|tests|util")
    files = re.findall(rf"`((?:{rooms})/[\w/.]+\.\w+)`", text)
    named = [ROOT / name for name in files if not re.search("xyz|percept|outline", name)]
    assert [str(path) for path in links + named if not path.exists()] == []


def places(page: Path) -> set[str]:
    """The places of a page that a link may name behind #: its headings, as GitHub and the site spell them."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.lower())) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_place_that_the_docs_link_to_exists(page: Path):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = [((page.parent / path) if path else page, place)
             for path, place in re.findall(r'\]\(([^)#:"]*\.md)?#([^)]+)\)', prose)]
    assert [f"{target.name}#{place}" for target, place in links
            if "reference" not in target.parts and place not in places(target)] == []  # which the site fills in


def test_the_questions_are_listed_at_their_top():
    text = (ROOT / "docs" / "questions.md").read_text()
    top, answers = text.split("\n## ", 1)
    asked = re.findall(r"^### (.+)$", answers, re.MULTILINE)
    assert len(asked) > 29 and text.count("\n### ") == len(asked)
    assert re.findall(r"\(#([^)]+)\)", top) == [
        re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", question.lower())) for question in asked]


def test_what_replaces_the_classic_scripts_is_accepted():
    page = (ROOT / "docs" / "compatibility.md").read_text()
    lines = re.findall(r"\| `(\w+)\.sh` \| `(?:python|bash) ([^`]+)` \|", page)
    assert {name for name, _ in lines} >= {f"{what}_{model}" for what in ("train", "test")
                                           for model in ("cyclegan", "pix2pix", "colorization")}
    for name, line in lines:
        command, *words = shlex.split(line)
        if command.endswith(".sh"):
            assert (ROOT / command).exists()
            continue
        opt = read(command.removesuffix(".py"), words).as_dict()
        assert name.startswith(command.removesuffix(".py")) and opt["name"] != "experiment_name"


def test_each_baseline_and_ablation_is_accepted():
    lines = re.findall(r"`(--model [^`]+)`", (ROOT / "docs" / "baselines.md").read_text())
    assert len(lines) > 20 and {line.split()[1] for line in lines} >= {"cogan", "bigan", "simgan", "feature_gan"}
    for line in lines:
        assert read("train", line.split()).given("model")


def test_the_plain_commands_of_the_readme_are_those_of_the_makefile():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for command in (".[all]",
                    "datasets/toy_maps.py --size 128 --n_test 20",
                    "train.py @recipes/toy_pix2pix.txt", "train.py @recipes/toy_cyclegan.txt",
                    "--dataset_mode aligned", "--weights ema", "results/toy_cyclegan/test_latest_ema",
                    "--metrics mae,pixel_acc,class_acc,class_iou", "--steps 150 --overwrite", "evaluate.py compare"):
        assert command in readme and command in makefile
    assert read("train", [f"@{ROOT / 'recipes' / 'toy_cyclegan.txt'}"]).as_dict()["ema"] > 0
