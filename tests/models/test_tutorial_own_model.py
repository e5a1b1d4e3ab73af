"""The files that docs/tutorial_own_model.md builds, taken from the page as they stand: each trains and translates."""
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import models
from helpers.commands import ROOT
from helpers.images import read_pixels

PAGE = (ROOT / "docs" / "tutorial_own_model.md").read_text()
*FILES, TEST = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
LOSSES = (["G_L1", "G_outline"], ["D_real", "D_fake", "G_GAN", "G_outline"],
          ["D_real", "D_fake", "G_GAN", "G_L1", "G_outline"])


@pytest.fixture
def as_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a text of the page into a folder of models, as outline_model.py."""
    folder = tmp_path / "my_models"
    folder.mkdir()
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(folder)])

    def write(code: str) -> None:
        (folder / "outline_model.py").write_text(code)
        monkeypatch.delitem(sys.modules, "models.outline_model", raising=False)
    return write


def losses(run: Path) -> dict[str, float]:
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["losses"] for row in rows if "losses" in row][-1]


@pytest.mark.parametrize(("code", "names"), list(zip(FILES, LOSSES, strict=True)), ids=["alone", "with_D", "inherited"])
def test_each_file_trains_and_translates(code: str, names: list[str], as_file: Callable[[str], None],
                                         train: Callable[..., Path], translate: Callable[..., Path]):
    as_file(code)
    run = train("--model outline --lambda_outline 20 --print_freq 4")
    assert list(losses(run)) == names
    assert read_pixels(translate("") / "images" / "1_fake_B.png").shape == (32, 32, 3)


def test_without_outlines_it_is_pix2pix_number_by_number(as_file: Callable[[str], None], train: Callable[..., Path]):
    as_file(FILES[-1])
    own = losses(train("--model outline --lambda_outline 0 --print_freq 4"))
    assert own == losses(train("--model pix2pix --print_freq 4"))


def test_the_test_of_the_page_holds(as_file: Callable[[str], None]):
    as_file(FILES[-1])
    names: dict = {}
    exec(compile(TEST, "docs/tutorial_own_model.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_option_is_in_help_and_guarded(as_file: Callable[[str], None], capsys: pytest.CaptureFixture,
                                           failure: Callable[..., tuple[int, str]]):
    import train as command

    as_file(FILES[0])
    with pytest.raises(SystemExit):
        command.main(["--model", "outline", "--help"])
    assert "--lambda_outline" in capsys.readouterr().out
    code, said = failure(command.main, ["--model", "outline", "--dataroot", "x", "--lambda_outlin", "1"])
    assert code == 2 and "--lambda_outline" in said
    code, said = failure(command.main, ["--model", "outline", "--dataroot", "x", "--lambda_outline", "-1"])
    assert code == 2 and "--lambda_outline" in said
