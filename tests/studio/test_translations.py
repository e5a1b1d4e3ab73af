"""What is kept of a translation, and how it is found again."""
import os
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

pytest.importorskip("psutil", reason="NOT TESTED: the extra app is not installed")

from helpers.images import write_image
from studio.home import Home
from studio.lines import Line
from studio.translations import ASKED, FOLDER, Translations, errors_in, generators, pack, saves
from util.errors import UserError
from util.files import write_atomically


@pytest.fixture
def translations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Translations:
    monkeypatch.chdir(tmp_path)
    return Translations(Home((tmp_path / "pictures",), Path("checkpoints"), Path("results")))


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """Puts a script in the place of test.py, which finds --output as `out` and --dataroot as `given`."""
    def put(code: str) -> None:
        whole = ("import pathlib, shutil, sys, time\nout = pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\n"
                 f"given = pathlib.Path(sys.argv[sys.argv.index('--dataroot') + 1])\n{code}")
        monkeypatch.setattr(Line, "argv", property(lambda line: [sys.executable, "-c", whole, *line.words]))
    return put


def ended(translations: Translations, translation) -> str:
    translations.started[translation.folder].wait(60)
    return translations.state(translation)


def test_it_is_found_again_with_what_it_made(translations: Translations, tmp_path: Path, script):
    script("shutil.copytree(given, out)\n(out / 'a.png').rename(out / 'a.tif')\nprint('output: ' + str(out))")
    pictures = [write_image(tmp_path / "mine" / name) for name in ("a.png", "b.png")]
    made = translations.start({"name": "maps", "epoch": 5, "weights": None}, pictures)
    assert ended(translations, made) == "done"
    folder = Path("results", "maps", FOLDER, made.folder.name)
    assert made.folder == tmp_path / folder
    assert made.asked["command"] == (f"python test.py --dataroot {folder / 'input'} --name maps --epoch 5 "
                                     f"--output {folder / 'output'}/")
    later = Translations(translations.home)
    (found,) = later.all()
    assert found == made == later.of(str(folder)) and later.state(found) == "done"
    assert [(source.name, path.name) for source, path in found.made()] == [("a.png", "a.tif"), ("b.png", "b.png")]
    write_atomically(found.folder / "output" / ".translated" / "0.jsonl", "the journal of test.py")
    with zipfile.ZipFile(pack(found, tmp_path)) as archive:
        assert sorted(archive.namelist()) == ["a.tif", "b.png"]
        assert archive.read("a.tif") == pictures[0].read_bytes()
    assert pictures[0].exists()


def test_names_that_differ_in_their_ending_keep_it(translations: Translations, tmp_path: Path, script):
    script("out.mkdir()\nfor path in given.iterdir(): shutil.copy(path, out / (path.name + '.png'))\n"
           "print('output: ' + str(out))")
    pictures = [write_image(tmp_path / "mine" / name) for name in ("a.bmp", "a.webp")]
    made = translations.start({"name": "maps"}, pictures)
    assert ended(translations, made) == "done"
    assert [path.name for _, path in made.made()] == ["a.bmp.png", "a.webp.png"]


def test_a_failure_is_told_in_its_words(translations: Translations, tmp_path: Path, script):
    script("print('hello'); sys.exit('error: <b>no</b> such run')")
    made = translations.start({"name": "maps"}, [write_image(tmp_path / "1.png")])
    assert ended(translations, made) == "failed"
    assert errors_in(made.words()) == "error: <b>no</b> such run\n"
    assert errors_in("Traceback (most recent call last):\n  File\nMemoryError: 8 GB\n") == "MemoryError: 8 GB"
    assert errors_in("device: cpu\n 50%|#  | 1/2\n") == ""


def test_it_can_be_stopped_and_keeps_what_is_made(translations: Translations, tmp_path: Path, script):
    script("out.mkdir(); shutil.copy(given / '1.png', out); time.sleep(600)")
    made = translations.start({"name": "maps"}, [write_image(tmp_path / "1.png"), write_image(tmp_path / "2.png")])
    for _ in range(600):
        if made.made():
            break
        time.sleep(0.1)
    assert translations.state(made) == "running"
    translations.stop(made)
    assert translations.state(made) == "failed" and len(made.made()) == 1


def test_one_that_an_earlier_app_started_runs_on_and_can_be_stopped(translations: Translations, tmp_path: Path, script):
    script("time.sleep(600)")
    made = translations.start({"name": "maps"}, [write_image(tmp_path / "1.png")])
    os.utime(made.log, (1, 1))  # it has said nothing for long
    later = Translations(translations.home)
    (found,) = later.all()
    assert later.state(found) == "running"
    later.stop(found)
    assert ended(translations, made) == later.state(found) == "failed"
    made.log.write_text("output: somewhere\n")
    assert later.state(found) == "done"
    found.asked["process"][0] = os.getpid()  # another process has its number now
    later.stop(found)
    assert later.state(found) == "done"


def test_what_was_half_written_is_not_packed_and_two_may_pack_at_once(translations: Translations, tmp_path: Path,
                                                                      script, monkeypatch: pytest.MonkeyPatch):
    script("out.mkdir(); shutil.copy(given / '1.png', out); (out / '.0123456789abcdef.tmp').touch()\n"
           "print('output: ' + str(out))")
    made = translations.start({"name": "maps"}, [write_image(tmp_path / "1.png")])
    assert ended(translations, made) == "done"
    write, others = zipfile.ZipFile.write, [made]

    def write_slowly(archive: zipfile.ZipFile, *of) -> None:
        if others:
            pack(others.pop(), tmp_path)
        write(archive, *of)
    monkeypatch.setattr(zipfile.ZipFile, "write", write_slowly)
    with zipfile.ZipFile(pack(made, tmp_path)) as archive:
        assert archive.namelist() == ["1.png"]
        assert archive.testzip() is None


def test_two_of_one_moment_do_not_harm_each_other(translations: Translations, tmp_path: Path, script,
                                                  monkeypatch: pytest.MonkeyPatch):
    script("print('output: ' + str(out))")
    monkeypatch.setattr("studio.translations.datetime", type("Still", (), {"now": lambda: datetime(2026, 1, 1)}))
    made = translations.start({"name": "maps"}, [write_image(tmp_path / "1.png")])
    with pytest.raises(FileExistsError):
        translations.start({"name": "maps"}, [tmp_path / "1.png"])
    assert (made.folder / "input" / "1.png").exists() and ended(translations, made) == "done"


def test_nothing_is_left_of_what_could_not_begin(translations: Translations, tmp_path: Path):
    (tmp_path / "x.txt").write_text("x")
    for dropped, said in (([], "no pictures were dropped"), ([tmp_path / "x.txt"], "there is no picture .*only x.txt")):
        with pytest.raises(UserError, match=said):
            translations.start({"name": "maps"}, dropped)
    with pytest.raises(UserError, match="is no name for a run"):
        translations.start({"name": "../maps"}, [tmp_path / "x.txt"])
    assert translations.all() == [] and not list(Path("results").glob("*/*/*"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run": 1', '{"run": "x", "when": "", "count": "many"}'])
def test_what_is_no_translation_is_not_listed(translations: Translations, content: str):
    folder = Path("results", "maps", FOLDER, "1")
    folder.mkdir(parents=True)
    (folder / ASKED).write_text(content)
    assert translations.all() == []
    for place in (str(folder), "", "results/other"):
        with pytest.raises(UserError, match="there is no translation in"):
            translations.of(place)
    with pytest.raises(UserError, match="is outside"):
        translations.of("/etc")


def test_what_a_run_saved_can_be_chosen(tmp_path: Path):
    for name in ("latest_net_G_A", "latest_net_G_B", "latest_net_D_A", "10_net_G_A", "10_net_G_B", "5_net_G_A",
                 "best_net_G_A", "best_net_G_A_ema", "iter_300_net_G", "7_net_D"):
        (tmp_path / f"{name}.pth").touch()
    found = saves(tmp_path)
    assert list(found.values()) == [{}, {"epoch": "best"}, {"load_iter": "300"}, {"epoch": "10"}, {"epoch": "5"}]
    assert generators(tmp_path, {}) == generators(tmp_path, {"epoch": "10"})
    assert generators(tmp_path, {}).both_ways and not generators(tmp_path, {}).means
    assert generators(tmp_path, {"epoch": "best"}).means and not generators(tmp_path, {"epoch": "best"}).both_ways
    assert not generators(tmp_path, {"load_iter": "300"}).both_ways
