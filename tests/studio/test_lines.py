import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.commands import ROOT
from options.schema import OptionError
from studio.lines import COMMANDS, Line, line

HOSTILE = ["a b", "it's", '"quoted"', "<script>alert(1)</script>", "$(rm -rf /)", "`x`", "a;b", "--overwrite", "-x",
           "@file", "", "a\nb", "\\", "*", "ä🎨", "%PATH%"]


def test_flags_become_words():
    made = line("train", {"name": "maps", "batch_size": 4, "no_flip": True, "ema": False, "epoch": None,
                          "gpu_ids": [0, 1]})
    assert made == Line("train", ("--name", "maps", "--batch_size", "4", "--no_flip", "--gpu_ids", "0", "1"))
    assert str(made) == "python train.py --name maps --batch_size 4 --no_flip --gpu_ids 0 1"
    assert made.argv == [sys.executable, str(ROOT / "train.py"), *made.words] and COMMANDS == ROOT


@pytest.mark.parametrize("name", HOSTILE)
def test_a_shell_reads_the_words_that_are_started(name: str):
    made = line("test", {"name": name})
    assert shlex.split(str(made))[2:] == list(made.words) == made.argv[2:]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_the_value_of_its_flag(name: str):
    from door.commands import load_command
    from options.command_line import parse

    try:
        read = parse(load_command("train").COMMAND, line("train", {"name": name, "dataroot": "x"}).words)
    except OptionError as error:  # of a name that is none
        assert "--name" in str(error)
    else:
        assert read.as_dict()["name"] == name


def test_what_it_says_is_kept_and_it_is_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getsid(0) == os.getpid(), sys.stdin.read()]))"
    (tmp_path / "show.py").write_text(code + "; print('ä', file=sys.stderr); sys.exit(3)")
    monkeypatch.setattr("studio.lines.COMMANDS", tmp_path)
    process = line("show", {"name": "it's"}).start(tmp_path / "new" / "log.txt")
    assert isinstance(process, subprocess.Popen) and process.wait(60) == 3
    said = (tmp_path / "new" / "log.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(said) == sorted([json.dumps([["--name", "it's"], True, ""]), "ä"])
