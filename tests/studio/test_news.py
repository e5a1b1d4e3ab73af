"""What a window is shown of trainings: only what is new to it, read once."""
import json
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("psutil", reason="NOT TESTED: the extra app is not installed")

from pages.training_page import TrainingPage
from studio.new_lines import NewLines, ending
from studio.news import News, new_to
from studio.trainings import Trainings
from studio.watched import Strips, Watched


def row(images: int, **losses: float) -> str:
    return json.dumps({"epoch": 1, "total": images, "losses": losses}) + "\n"


def test_lines_come_once_and_whole(tmp_path):
    path = tmp_path / "log"
    lines = NewLines(path)
    assert lines.read() == []
    path.write_text("one\ntw")
    assert lines.read() == ["one"]
    assert lines.read() == []
    with path.open("a") as file:
        file.write("o\nthree\n")
    assert lines.read() == ["two", "three"]
    assert not lines.began_anew


def test_a_file_that_was_cut_and_has_grown_is_read_anew(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    lines = NewLines(path)
    lines.read()
    path.write_text("one\nother\nthree\n")
    assert lines.read() == ["one", "other", "three"]
    assert lines.began_anew
    path.unlink()
    assert lines.read() == []
    assert lines.began_anew


def test_the_end_of_a_log_as_a_terminal_shows_it(tmp_path):
    (tmp_path / "log").write_bytes(b"x" * 50 + b"\nbar 1\rbar 2\nlast\r\n")
    assert ending(tmp_path / "log", 20).splitlines()[1:] == ["bar 2", "last"]


def test_curves_grow_and_go_back_with_their_training(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(row(100, G=3.0, D=1.0) + row(200, G=2.0, D=1.0)
                    + json.dumps({"epoch": 1, "validation": {"L1": 0.5}}) + "\n")
    watched = Watched(tmp_path)
    first = watched.look()
    assert watched.losses() == [(100, "G", 3), (200, "G", 2), (100, "D", 1), (200, "D", 1)]
    assert watched.validation() == [(1, "L1", 0.5)]
    assert watched.look() == first
    path.write_text(row(100, G=3.0) + row(150, G=2.5))  # it went on from an earlier state
    assert watched.look() > first
    assert watched.losses() == [(100, "G", 3), (150, "G", 2.5)]
    assert watched.validation() == []
    path.open("a").write("no json\n[1]\n")
    watched.look()
    assert watched.losses() == [(100, "G", 3), (150, "G", 2.5)]


def write_page(folder: Path) -> None:
    page = TrainingPage(folder / "web", "maps", {}, 64)
    for file, colour in (("in.png", "red"), ("e1.png", "green"), ("e2.png", "blue")):
        (folder / "web" / "images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (400, 200), colour).save(folder / "web" / "images" / file)
    for epoch in (1, 2):
        page.add_samples(epoch, {"<b>one</b>": [("real_A", "in.png"), ("fake_B", f"e{epoch}.png")]})
    page.save()


def test_the_strip_holds_small_pictures_and_names_stay_text(tmp_path):
    write_page(tmp_path)
    html = Strips().html(tmp_path)
    assert [part.partition("<")[0] for part in html.split("<figcaption>")[1:]] == [
        "real_A, the input", "epoch 1", "epoch 2"]
    assert html.count("data:image/webp;base64,") == 3
    assert "<b>one" not in html
    assert "&lt;b&gt;one" in html
    assert Strips().html(tmp_path / "nothing") == ""


def test_pictures_of_elsewhere_are_not_shown(tmp_path):
    write_page(tmp_path)
    (tmp_path / "web" / "images" / "e1.png").rename(tmp_path / "private.png")
    state = (tmp_path / "web" / "page.json")
    state.write_text(state.read_text().replace("e1.png", "../../private.png"))
    assert Strips().html(tmp_path).count("data:image/webp;base64,") == 2
    (tmp_path / "runs").mkdir()
    (tmp_path / "web").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loss_log.txt").touch()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    assert Trainings(tmp_path / "runs").names() == []


def test_a_window_gets_what_is_new_to_it(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "loss_log.txt").write_text("(epoch: 1) G: 3.0\n")
    (folder / "metrics.jsonl").write_text(row(100, G=3.0))
    news = News(Trainings(tmp_path))
    parts, at_work = news.parts(None)
    assert not at_work
    assert set(new_to({}, parts)) == {
        "list", "standing", "can", "line", "log", "losses", "validation", "strip"}
    assert new_to({}, parts)["list"].choices == [("maps · stopped, epoch 1", "maps")]
    seen = {name: part.state for name, part in parts.items()}
    assert new_to(seen, news.parts("maps")[0]) == {}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(row(200, G=2.0))
    new = new_to(seen, news.parts("maps")[0])
    assert set(new) == {"losses", "validation"}
    assert new["losses"] == [(100, "G", 3), (200, "G", 2)]


def test_a_chart_waits_for_a_second_point():
    pytest.importorskip("gradio", reason="NOT TESTED: the extra app is not installed")
    from studio.trainings_view import SHOWN

    rows = [(100.0, "G", 3.0), (100.0, "D", 1.0)]
    assert not SHOWN["losses"](rows).visible
    assert SHOWN["losses"]([*rows, (200.0, "G", 2.0)]).visible


def test_no_training_is_told_in_words(tmp_path):
    parts, at_work = News(Trainings(tmp_path / "checkpoints")).parts(None)
    assert "Nothing was trained here yet" in new_to({}, parts)["standing"]
    assert not at_work
