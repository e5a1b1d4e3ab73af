import os
from pathlib import Path

import pytest

from helpers.images import write_image, write_pairs
from studio.home import Home
from util.errors import UserError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for name in ("pictures", "checkpoints", "results", "elsewhere"):
        (tmp_path / name).mkdir()
    return Home((tmp_path / "pictures",), tmp_path / "checkpoints", tmp_path / "results")


def test_what_is_below_its_folders_is_inside(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for path in (tmp_path / "pictures", tmp_path / "pictures" / "new" / "1.png", tmp_path / "checkpoints" / "maps"):
        assert home.inside(path) == path
    monkeypatch.chdir(tmp_path)
    assert home.inside("pictures/../results/x") == tmp_path / "results" / "x"


@pytest.mark.parametrize("path", [
    "/etc/passwd", "..", "elsewhere", "pictures/../elsewhere", "pictures/../../x", "pictures_too", "~", "", "/",
    "pictures\0", "x" * 5000])
def test_everything_else_is_outside(home: Home, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "pictures_too").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is outside the folders|is no path"):
        home.inside(path)


def test_a_link_that_leads_outside_is_outside(home: Home, tmp_path: Path):
    write_pairs(tmp_path / "elsewhere" / "train", 1)
    link = tmp_path / "pictures" / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"python app.py .*link"):
        home.inside(link)
    link.unlink()
    inside = write_pairs(tmp_path / "pictures" / "set" / "train", 1)
    (inside / "2.png").symlink_to(tmp_path / "pictures" / "set" / "train" / "1.png")
    assert home.folder_inside(inside.parent) == inside.parent
    (inside / "deep").mkdir()
    (inside / "deep" / "3.png").symlink_to(tmp_path / "elsewhere" / "train" / "1.png")
    with pytest.raises(UserError, match="3.png is outside"):
        home.folder_inside(inside.parent)


def test_a_link_to_itself_is_told(home: Home, tmp_path: Path):
    loop = tmp_path / "pictures" / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UserError, match="loop"):
        home.folder_inside(loop)


def test_it_finds_the_folders_that_hold_pictures(home: Home, tmp_path: Path):
    root = tmp_path / "pictures"
    for place in ("pairs10/train", "pairs9/train/A", "piles/trainA", "photos", "only_tests/testB", ".hidden/train"):
        write_image(root / place / "1.png")
    (root / "empty").mkdir()
    (root / "notes").mkdir()
    (root / "notes" / "1.txt").write_text("none")
    assert list(home.sets()) == ["only_tests", "pairs9", "pairs10", "photos", "piles"]
    assert home.sets()["pairs9"] == root / "pairs9"


def test_folders_of_somebody_else_are_passed_over(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("psutil", reason="NOT TESTED: the extra app is not installed")
    from studio.trainings import Trainings

    for place in ("pictures/mine/1.png", "pictures/closed/1.png", "pictures/inside/train/1.png"):
        write_image(tmp_path / place)
    for place in ("mine", "closed"):
        (tmp_path / "checkpoints" / place).mkdir()
        (tmp_path / "checkpoints" / place / "loss_log.txt").touch()
    closed = {tmp_path / "pictures/closed", tmp_path / "pictures/inside/train", tmp_path / "checkpoints/closed"}

    def refusing(method: str):
        before = getattr(Path, method)

        def asked(path: Path, *more):  # to root nothing is forbidden
            if path in closed or (method == "exists" and path.parent in closed):
                raise PermissionError(path)
            return before(path, *more)
        monkeypatch.setattr(Path, method, asked)
    refusing("iterdir")
    refusing("exists")
    monkeypatch.setattr(os, "access", lambda path, _: path not in closed)
    assert list(home.sets()) == ["mine"]
    assert home.runs() == Trainings(home.checkpoints).names() == ["mine"]


def test_of_several_folders_each_says_where_it_is(tmp_path: Path):
    for name in ("a", "b"):
        write_image(tmp_path / name / "photos" / "1.png")
    write_image(tmp_path / "b" / "1.png")
    home = Home((tmp_path / "a", tmp_path / "b"), tmp_path / "c", tmp_path / "r")
    assert list(home.sets()) == ["a/photos", "b", "b/photos"]


def test_runs_are_listed_the_newest_first(home: Home, tmp_path: Path):
    for age, name in enumerate(("new", "old", "begun", "empty")):
        (tmp_path / "checkpoints" / name).mkdir()
        if name != "empty":
            file = "loss_log.txt" if name == "begun" else "latest_net_G.pth"
            (tmp_path / "checkpoints" / name / file).write_bytes(b"")
        os.utime(tmp_path / "checkpoints" / name, (1000 - age, 1000 - age))
    assert home.runs() == ["new", "old", "begun"]
    assert Home((tmp_path,), tmp_path / "none", tmp_path).runs() == []


@pytest.mark.parametrize("name", [
    ".", "..", "a/b", "../x", "/etc", "a\\b", ".hidden", "a\nb", "a\0b", "x" * 200])
def test_names_that_are_none(home: Home, name: str):
    with pytest.raises(UserError, match="is no name for a run"):
        home.run(name)


@pytest.mark.parametrize("name", ["", " "])
def test_a_name_that_is_missing_is_told_so(home: Home, name: str):
    with pytest.raises(UserError, match="the run has no name yet"):
        home.run(name)


def test_a_name_is_taken_as_it_is(home: Home, tmp_path: Path):
    assert home.run("  <b>'maps' & $(x)  ") == tmp_path / "checkpoints" / "<b>'maps' & $(x)"


def test_paths_are_shown_as_they_would_be_typed(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert home.shown(tmp_path / "pictures" / "x") == str(Path("pictures", "x"))
    assert home.shown(tmp_path.parent) == str(tmp_path.parent)
