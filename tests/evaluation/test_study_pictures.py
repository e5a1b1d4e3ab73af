"""Making a study: which pictures meet, how they are prepared, and what is refused."""
import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.study_command import main
from evaluation.study_pairs import Pairs, draw_pairs
from evaluation.study_pictures import Picture
from helpers.commands import ROOT
from helpers.images import write_image


def pile(count: int, folder: str = "real") -> list[Picture]:
    return [Picture(Path(folder, f"{number}.png"), f"{number}.png", str(number)) for number in range(count)]


def draw(reals: int, fakes: int, same_input: bool = False, seed: int = 0) -> Pairs:
    return draw_pairs(pile(reals), pile(fakes, "fake"), 10, 40, same_input, seed)


def study(folder: Path, line: str) -> dict:
    """What the page holds that the command writes."""
    main([*line.split(), "--output", str(folder / "study.html")])
    page = (folder / "study.html").read_text()
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page).group(1))


def test_the_page_lies_among_the_results_where_no_place_is_given(tmp_path: Path, monkeypatch):
    for folder in ("real", "fake"):
        for number in range(2):
            write_image(tmp_path / folder / f"{number}.png", 16, 16, seed=number)
    monkeypatch.chdir(tmp_path)
    main("--real real --fake fake --trials 1 --practice 0 --size 16".split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake", "real", "results"]
    assert (tmp_path / "results/study.html").exists()


def pixels(picture: dict) -> np.ndarray:
    encoded = base64.b64decode(picture["src"].removeprefix("data:image/webp;base64,"))
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


def write_results(folder: Path, labels: str, count: int = 3) -> Path:
    """A folder as test.py leaves it."""
    names = [f"sub/{number}" for number in range(count)]
    for seed, label in enumerate(labels.split()):
        for number, name in enumerate(names):
            write_image(folder / "images" / f"{name}_{label}.png", seed=100 * seed + number)
    (folder / "names.json").write_text(json.dumps({"labels": labels.split(), "names": names}))
    return folder


# Which pictures meet

def test_pictures_are_drawn_once_by_the_seed():
    pairs = draw(60, 60)
    assert len(pairs.practice) == 10 and len(pairs.trials) == 40
    for side in (0, 1):
        assert len({pair[side] for pair in pairs.all}) == 50  # none twice
    assert all(real.input != fake.input for real, fake in pairs.all)
    assert draw(60, 60) == pairs != draw(60, 60, seed=1)


def test_all_methods_meet_in_the_same_inputs():
    reals = pile(70)
    ours, theirs = (draw_pairs(reals, pile(60, folder), 10, 40, False, 3) for folder in ("ours", "theirs"))
    assert [fake.input for _, fake in ours.all] == [fake.input for _, fake in theirs.all]
    assert len({fake.path for pairs in (ours, theirs) for _, fake in pairs.all}) == 100


def test_few_pictures_are_shown_equally_often_and_never_from_the_practice():
    pairs = draw(20, 20)
    shown = [fake.name for _, fake in pairs.trials]
    assert {shown.count(name) for name in shown} == {2, 3} and len(set(shown)) == 16
    for side in (0, 1):
        assert not {pair[side] for pair in pairs.practice} & {pair[side] for pair in pairs.trials}
    assert len(set(pairs.trials)) == 40  # with other partners each time
    assert all(real.input != fake.input for real, fake in pairs.all)


@pytest.mark.parametrize("reals, fakes", [(1, 1), (1, 5), (5, 1), (2, 2), (50, 3), (3, 50)])
def test_very_few_pictures_still_make_a_study(reals: int, fakes: int):
    pairs = draw(reals, fakes)
    assert len(pairs.practice) == 10 and len(pairs.trials) == 40


def test_the_same_input_when_asked_for():
    pairs = draw(30, 60, same_input=True)
    assert all(real.input == fake.input for real, fake in pairs.all) and len({fake for _, fake in pairs.all}) == 30


# The page

def test_real_and_fake_pictures_are_prepared_alike(tmp_path: Path, capsys):
    for number in range(4):
        write_image(tmp_path / "real" / f"{number}.jpg", 90, 60, seed=number)
        write_image(tmp_path / "fake" / f"{number}.png", 64, 64, seed=10 + number)
    made = study(tmp_path, f"--real {tmp_path}/real --fake ours={tmp_path}/fake --trials 3 --practice 1 --size 48 "
                           "--seed 7")
    assert (made["size"], made["seed"], made["show_ms"], made["methods"][0]["name"]) == (48, 7, 1000, "ours")
    assert len(made["pictures"]) == 8
    for picture in made["pictures"]:
        file = tmp_path / ("real" if picture["name"].endswith("jpg") else "fake") / picture["name"]
        expected = Image.open(file).convert("RGB").resize((48, 48), Image.Resampling.BICUBIC)
        assert np.array_equal(pixels(picture), np.asarray(expected)), file
    said = capsys.readouterr().out
    assert ("note: the real and the fake files of ours differ in format (JPEG and PNG) and in size (90x60 and 64x64), "
            "which people may notice") in said
    assert re.search(r"page: \S+study.html \(0\.\d MB, 1 method, 1 \+ 3 pairs a person\)", said)


def test_one_place_for_each_picture_and_a_notice_when_they_are_few(tmp_path: Path, capsys):
    for number in range(6):
        for folder in ("real", "ours", "theirs"):
            write_image(tmp_path / folder / f"{number}.png", seed=number)
    made = study(tmp_path, f"--real {tmp_path}/real --fake {tmp_path}/ours --fake {tmp_path}/theirs --size 16")
    assert [method["name"] for method in made["methods"]] == ["ours", "theirs"]
    assert len(made["pictures"]) == 18
    assert [len(made["methods"][1][part]) for part in ("practice", "trials")] == [10, 40]
    said = capsys.readouterr().out
    assert "note: ours has 6 fake and 6 real pictures for 50 pairs: some are shown again, up to 10 times" in said
    assert "differ in" not in said


def test_results_give_their_fake_and_real_pictures(tmp_path: Path):
    folder = write_results(tmp_path / "results" / "town" / "test_latest", "real_A fake_B rec_A real_B fake_A rec_B")
    for line, real, fake in (("", "real_B", "fake_B"), ("--translation fake_A", "real_A", "fake_A")):
        for given in (folder, folder / "images"):
            made = study(tmp_path, f"--fake {given} --trials 3 --practice 0 --size 16 {line}")
            assert {picture["name"] for picture in made["pictures"]} == {
                f"sub/{number}_{label}.png" for number in range(3) for label in (real, fake)}
            assert made["methods"][0]["name"] == "town"
    made = study(tmp_path, f"--fake {folder} --same_input --trials 3 --practice 0 --size 16")
    names = [picture["name"] for picture in made["pictures"]]
    assert all(names[real].replace("real", "fake") == names[fake] for real, fake in made["methods"][0]["trials"])


def test_a_large_page_is_told(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("evaluation.study_command.LARGE", 0)
    write_image(tmp_path / "real" / "1.png")
    study(tmp_path, f"--real {tmp_path}/real --fake {tmp_path}/real --trials 1 --practice 0 --size 16")
    assert "note: above 0 MB a page opens slowly" in capsys.readouterr().out


def test_mistakes_are_refused(tmp_path: Path, failure):
    results = write_results(tmp_path / "results" / "town" / "test_latest", "real_A fake_B")
    real = write_image(tmp_path / "real" / "1.png").parent
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_bytes(b"no image")
    for line, said in (
        ("", "--fake is missing: give the folder of the generated pictures"),
        (f"--fake {real}", f"--real is missing: {real} is no folder that test.py wrote"),
        (f"--fake {results}", f"{results} holds no real_B, only real_A, fake_B"),
        (f"--real {real} --fake {tmp_path}/none", f"no images in {tmp_path}/none; it does not exist"),
        (f"--real {tmp_path}/empty --fake {results}", f"no images in {tmp_path}/empty; found:"),
        (f"--real {real} --fake {tmp_path}/bad", f"{tmp_path}/bad/1.png cannot be read as an image"),
        (f"--real {real} --fake {real} --fake {real}", "another --fake is called real too; give each a name of its"),
        (f"--real {real} --fake ours=", "expected --fake DIR or --fake NAME=DIR"),
        (f"--real {real} --fake {results} --same_input", "--same_input finds no real and fake pictures of equal"),
        (f"--real {real} --fake {real} --trials 0", "'0' is no whole number from 1 to 1000"),
        (f"--real {real} --fake {real} --json x", "--json goes with --score"),
    ):
        code, found = failure(main, line.split())
        assert code == 2 and said in found, line
    (results / "names.json").write_text("{")
    code, found = failure(main, ["--fake", str(results)])
    assert code == 2 and f"{results}/names.json is damaged" in found
    assert not list(tmp_path.glob("*.html"))


def test_neither_help_nor_a_page_needs_torch(tmp_path: Path):
    write_image(tmp_path / "real" / "1.png")
    line = f"study --real {tmp_path}/real --fake {tmp_path}/real --output {tmp_path}/study.html"
    for words in (line.split(), ["study", "--help"]):
        code = (f"import runpy, sys; sys.argv = ['evaluate.py', *{words!r}]\n"
                "try: runpy.run_path('evaluate.py', run_name='__main__')\n"
                "finally: print('imported:', sorted({'torch', 'torchvision'} & set(sys.modules)))")
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "imported: []" in done.stdout
    assert "usage: evaluate.py study" in done.stdout and (tmp_path / "study.html").exists()
